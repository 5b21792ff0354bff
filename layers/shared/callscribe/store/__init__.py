"""What Callscribe keeps: the only rooms that know DynamoDB. Every write of a status is one conditional write."""
