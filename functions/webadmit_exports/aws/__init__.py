"""What is in AWS: the table, the topics, the secrets, the queue of starts, the schedules and the subscriptions."""
