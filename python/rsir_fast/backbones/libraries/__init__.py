"""Networks of other libraries: one thin module each, which builds them; what is the same of all is in `built`."""
