"""ftops: Terraform for fine-tuned models on Azure OpenAI."""

__version__ = "0.1.0"
