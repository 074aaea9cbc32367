# One image for web, worker and migration; which of them it is, the command says.
FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN useradd --create-home --home-dir /srv/credits credits
WORKDIR /srv/credits

# Everything comes as wheels, so there is no compiler to leave behind in a stage of its own. The lock first: it changes
# less often than the code, and its layer is the big one.
COPY requirements.lock ./
RUN pip install --require-hashes -r requirements.lock

# Named one by one: what is not named, secrets and data among it, cannot get in.
COPY pyproject.toml README.md catalogue.toml ./
COPY credits credits
COPY schema schema
COPY workers workers
COPY app app
RUN pip install --no-deps --no-build-isolation --editable .

USER credits
EXPOSE 8000
ENTRYPOINT ["credits"]
CMD ["serve"]
