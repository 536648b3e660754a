use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

#[autod::service]
pub trait Files {
    async fn name(&self, name: &str);
    async fn bytes(&self, bytes: &[u8]);
    async fn path(&self, path: &Path);
    async fn many(&self, names: Vec<&str>, first: &mut String);
    async fn map(&self, map: HashMap<String, &'static str>);
    async fn elided(&self, name: Cow<'_, str>);
    async fn fine(&self, name: Cow<'static, str>);
    async fn any(&self, value: impl ToString);
    async fn object(&self, value: dyn ToString, boxed: Box<dyn ToString>);
    async fn slice(&self, value: [u8]);
    async fn merge(&self, other: Self);
    async fn callback(&self, call: fn(u8) -> u8);
    async fn pointer(&self, at: *const u8);
    async fn pair(&self, (a, b): (u8, u8));
    async fn nameless(&self, _: u8);
    async fn attribute(&self, #[allow(unused)] n: u8);
}

#[autod::service]
pub trait Default {
    async fn mutable(&self, mut n: u8) {
        n += 1;
        let _ = n;
    }
    async fn whole(&self, ref n: u8) {
        let _ = n;
    }
}

fn main() {}
