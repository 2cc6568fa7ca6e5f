"""servespec certifies model servers: it asks from outside, and judges what it sees."""
