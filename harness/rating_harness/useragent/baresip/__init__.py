"""baresip as an end of calls: a SIP stack that isn't this project's, driven through its module ctrl_tcp."""
