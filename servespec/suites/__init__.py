"""The suites under the names that an installed wheel gives them; in a clone these are links."""
