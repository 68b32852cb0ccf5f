"""Everything that the service needs around it, on this machine: AWS, Lambda, an HTTP API and a WebAdMIT.

- `aws_server`: moto's server, taught what it lacks (resource types, permissions by resource, mails); its own process
- `package`: lays the functions out as `sam build` does
- `template`: turns template.yaml into what CloudFormation gets
- `lambda_runtime`: runs each function under AWS's own runtime client, a process of its own, with its own role
- `http_api`: turns requests into events as an HTTP API does
- `webadmit_server`: a WebAdMIT with faults on demand
- `stack`: puts them together; `demo` shows them

Nothing listens anywhere but on 127.0.0.1, and everything ends with the process that began it.
"""
