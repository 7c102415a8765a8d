"""What runs in the browser: a JavaScript file for each component, and `live`, which turns a decoder into a program."""
