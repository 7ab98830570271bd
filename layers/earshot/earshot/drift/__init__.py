"""Whether what is heard still sounds as what the version in service was judged by."""
