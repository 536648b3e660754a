# The named steps. CONTRIBUTING.md has the same commands for those without just.

# Everything that a change has to pass
ci:
    .ci/run

fmt:
    cargo fmt --all --check

clippy:
    cargo clippy --workspace --all-targets -- -D warnings

# As users build it, without the fault points of the tests
plain:
    cargo clippy -p autod -- -D warnings

# Without the feature json
small:
    cargo clippy -p autod --no-default-features -- -D warnings

# What does not use remote connections does not pay for them
bare:
    scripts/check-bare

docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

test:
    cargo test --workspace

# Runs the examples as the README does
examples:
    .ci/examples

# Licences, versions and sources of the dependencies
deny:
    cargo deny --locked check licenses bans sources

# Known vulnerabilities; downloads their database
advisories:
    cargo deny --locked check advisories

# Bars on a terminal compile, and are shown there and nowhere else
progress:
    cargo clippy -p autod --features progress --example progress -- -D warnings
    cargo test -p autod-core --features progress --lib bar::

# The benchmark's peers compile; only the benchmark of calls uses them
peers:
    cargo clippy -p autod-bench --features peers --bin rpc -- -D warnings

bench:
    scripts/bench-process

# The supervisor beside systemd-socket-proxyd, haproxy and socat
bench-activation *args:
    scripts/bench-activation {{args}}

# What a program with one service costs to compile, beside one by hand and one with tarpc
bench-compile *args:
    scripts/bench-compile {{args}}

# Calls and streams beside references and peers; five minutes after some minutes of compiling
bench-rpc *args:
    scripts/bench-rpc {{args}}

# The loads and faults of LIFECYCLE.md at full size; five and a half minutes
stress *args:
    scripts/stress {{args}}

# Feeds a part of the protocol with made-up bytes: just fuzz connection 300
fuzz target seconds:
    scripts/fuzz {{target}} {{seconds}}

# The larger worlds of the lock protocol's model
model:
    cargo test --release -p autod-core --test model

# The files by which the example with TLS is deployed, held against their readers
lint-deploy *args:
    scripts/lint-deploy {{args}}
