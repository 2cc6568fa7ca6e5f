"""The statistics tried on numbers whose truth is known."""
