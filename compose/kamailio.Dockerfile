# Kamailio with the modules that the integration loads. Its configuration isn't in here: compose mounts it, the plugin
# puts it in place before the start.
ARG BASE=debian:trixie-slim
FROM ${BASE}
# Further packages of Debian's, separated by blanks: those with modules that a configuration loads besides.
ARG PACKAGES=
RUN apt-get update \
 && apt-get install -y --no-install-recommends \
      kamailio kamailio-extra-modules kamailio-json-modules kamailio-sqlite-modules kamailio-tls-modules \
      kamailio-utils-modules ${PACKAGES} \
 && rm -rf /var/lib/apt/lists/* \
 && mkdir -p /run/kamailio
CMD ["kamailio", "-DD", "-E"]
