"""What of a Kamailio configuration ran: statements and branches, in each scenario and in all of them."""
