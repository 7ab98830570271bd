"""The local stack: the AWS that template.yaml describes, on one machine.

``emulator`` is moto's server, made exact under threads; ``keeper`` and ``journal`` keep what it
holds; ``template`` reads template.yaml and ``stack`` creates it, there or on any AWS endpoint;
``poller`` brings a queue's messages to a handler as Lambda would; ``jobs`` runs what Batch would;
``endpoint`` starts such processes. For tests and measurements, ``rie`` runs the functions in
Lambda's own runtime, from the ``artefacts`` that were built, and ``gateway`` is an HTTP API before
them. Not emulated: Batch itself, API Gateway, SNS, IAM, bucket versions, DynamoDB's expiry, and
the isolation of containers.
"""
