#!/bin/sh
# Takes out of a site-packages folder, the one argument, what the images never load: about 70 MB.
set -eu
cd "$1"
# Tests, and what only compilers and type checkers read.
find . -depth -type d \( -name tests -o -name include \) -exec rm -rf {} +
find . -type f \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' \) -delete
# Arrow's network protocol, loaded by a module of its own that nobody here imports.
find pyarrow -name '*flight*' -delete
# Of AWS's 400 services those that are called, and those that give credentials.
find botocore/data -mindepth 1 -maxdepth 1 -type d \
    ! -name s3 ! -name batch ! -name logs ! -name sts ! -name sso ! -name sso-oidc -exec rm -rf {} +
