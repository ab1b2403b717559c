"""The clinic: a web application that keeps patients, visits, photographs, their analyses and who corrected them."""
