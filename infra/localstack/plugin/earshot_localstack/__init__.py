"""LocalStack without Docker: Lambda in its interface emulator, DynamoDB by moto."""
