//! An authority of the test's own, and the certificates that it signs.

use std::fs;
use std::path::{Path, PathBuf};

use autod_tls_example::identity::Files;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};

/// The name in the certificates of all replicas.
pub(crate) const REPLICAS: &str = "journal.test";

/// Signs certificates, and keeps them in a directory.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    directory: PathBuf,
}

/// What a certificate is for.
#[derive(Clone, Copy)]
pub(crate) enum Use {
    Replica,
    Caller,
    /// A caller's, which has run out.
    Expired,
}

impl Authority {
    /// A new one, which nobody trusts yet.
    pub(crate) fn new(directory: &Path) -> Self {
        fs::create_dir_all(directory).unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = common_name("an authority of this test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(directory.join("authority.pem"), certificate.pem()).unwrap();
        Self { issuer: Issuer::new(params, key), directory: directory.to_owned() }
    }

    /// Makes somebody's files.
    pub(crate) fn sign(&self, name: &str, purpose: Use) -> Files {
        let mut params = CertificateParams::new(vec![REPLICAS.to_owned()]).unwrap();
        params.distinguished_name = common_name(name);
        params.extended_key_usages = vec![match purpose {
            Use::Replica => ExtendedKeyUsagePurpose::ServerAuth,
            Use::Caller | Use::Expired => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        if matches!(purpose, Use::Expired) {
            params.not_before = date_time_ymd(2001, 1, 1);
            params.not_after = date_time_ymd(2002, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let files = Files {
            certificate: self.directory.join(format!("{name}.pem")),
            key: self.directory.join(format!("{name}.key")),
            authorities: self.directory.join("authority.pem"),
        };
        fs::write(&files.certificate, certificate.pem()).unwrap();
        fs::write(&files.key, key.serialize_pem()).unwrap();
        files
    }
}

fn common_name(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}
