"""A SIP user agent of the harness's own, for what SIPp can't say. It keeps to RFC 3261 where its script is silent."""
