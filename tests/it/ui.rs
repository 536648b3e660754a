//! What the macro says about a trait that cannot be a service.

/// The compiler's words change between its versions, ours do not: the files are made with the
/// toolchain that CI pins.
#[test]
fn macro_errors_are_explained() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
