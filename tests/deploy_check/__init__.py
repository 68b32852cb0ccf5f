"""`make deploy-check`: the release, deployed with the real SAM CLI to an AWS emulator that is not ours.

The sandbox and its tests share our reading of AWS; ministack is somebody else's. It emulates CloudFormation with SAM's
transform, Lambda as processes, HTTP APIs, DynamoDB, SNS, SQS, S3, Scheduler, Secrets Manager and IAM.
"""
