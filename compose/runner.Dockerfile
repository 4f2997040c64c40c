# The whole harness in one image, with Kamailio and SIPp for the local lab: docs/ci.md has its commands. The context is
# the root of the source tree.
ARG BASE=debian:trixie-slim
FROM ${BASE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3 python3-venv \
 && update-ca-certificates \
 && rm -rf /var/lib/apt/lists/*
ENV PATH=/opt/rating-harness/bin:$PATH PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

# The dependencies first, as in harness.Dockerfile, whose layers serve here, too.
WORKDIR /src
COPY pyproject.toml constraints.txt ./
RUN python3 -m venv /opt/rating-harness \
 && python3 -c "import tomllib; p = tomllib.load(open('pyproject.toml', 'rb')); \
print(*p['build-system']['requires'], *p['project']['dependencies'], sep='\n')" > requirements.txt \
 && pip install -c constraints.txt -r requirements.txt
# What a lab needs: rootfs.PACKAGES.
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      ca-certificates iptables kamailio kamailio-extra-modules kamailio-json-modules kamailio-sqlite-modules \
      kamailio-tls-modules kamailio-utils-modules libc6-dev sip-tester tcc \
 && rm -rf /var/lib/apt/lists/*
COPY . .
RUN pip install --no-deps --no-build-isolation .
WORKDIR /work
ENTRYPOINT ["rating-harness"]
CMD ["--help"]
