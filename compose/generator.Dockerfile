# A generator of a load on another machine: SIPp, and Python for the script that starts it. That script, SIPp's scenario
# and its data are given to it with each run, so that one image is enough for all.
ARG BASE=debian:trixie-slim
FROM ${BASE}
RUN apt-get update \
 && apt-get install -y --no-install-recommends python3 sip-tester \
 && rm -rf /var/lib/apt/lists/*
CMD ["sipp", "-v"]
