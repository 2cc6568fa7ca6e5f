"""How far from the truth do load generators report, when the server's own log is the truth?"""
