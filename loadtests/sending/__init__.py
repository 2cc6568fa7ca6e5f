"""What is sent when: schedules, workloads, planes, and the generator that keeps the moments."""
