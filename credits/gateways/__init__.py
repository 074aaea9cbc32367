"""What the domain asks of the outside, a protocol of three to five verbs each.

The adapters stand in `app/gateways` and `app/pubsub.py`. No verb is ever called inside a database transaction.
"""
