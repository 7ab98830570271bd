"""What surrounds the functions: templates, applications and the local stack."""
