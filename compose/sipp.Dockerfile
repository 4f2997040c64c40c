# SIPp for callers and carriers, and what a lab's hosts need themselves: nftables unplugs a host without anybody being
# told.
ARG BASE=debian:trixie-slim
FROM ${BASE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends nftables sip-tester \
 && rm -rf /var/lib/apt/lists/*
CMD ["sipp", "-v"]
