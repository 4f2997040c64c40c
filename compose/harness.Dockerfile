# This package with its Python: the embedded rating engine and the tap. The context is the root of the source tree.
ARG BASE=debian:trixie-slim
FROM ${BASE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv \
 && update-ca-certificates \
 && rm -rf /var/lib/apt/lists/*
ENV PATH=/opt/rating-harness/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# The dependencies first: they change less often than the code.
WORKDIR /src
COPY pyproject.toml constraints.txt ./
RUN python3 -m venv /opt/rating-harness \
 && python3 -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb')); \
print(*p['build-system']['requires'], *p['project']['dependencies'], sep='\n')" > requirements.txt \
 && pip install -c constraints.txt -r requirements.txt
COPY . .
RUN pip install --no-deps --no-build-isolation .
CMD ["rating-harness", "--help"]
