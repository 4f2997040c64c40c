"""SIPp, driven through pysipp: commands, a runner that starts them in a lab, and what they leave behind."""
