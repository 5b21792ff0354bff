"""What Callscribe stores: the only Python modules that read or write DynamoDB.

A status changes by one conditional write.
"""
