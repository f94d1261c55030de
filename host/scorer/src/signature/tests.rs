#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0 a component";

fn key(seed: u8) -> PrivateKey {
    PrivateKey(SigningKey::from_bytes(&[seed; 32]))
}

#[test]
fn a_signature_of_a_trusted_key_is_accepted_through_its_file() {
    let private = PrivateKey::from_pem(&key(1).to_pem()).unwrap();
    let public = PublicKey::from_pem(&private.public().to_pem()).unwrap();
    let signature: Signature = format!("{}\n", private.sign(COMPONENT)).parse().unwrap();
    let trusted = [key(2).public(), public.clone()];
    assert_eq!(verify(&trusted, &digest(COMPONENT), Some(&signature)).unwrap(), public.id());
}

#[test]
fn whatever_is_changed_makes_it_invalid() {
    let (private, other) = (key(1), key(2));
    let good = private.sign(COMPONENT);
    let trusted = [private.public()];
    let component = digest(COMPONENT);
    let refused =
        |signature: Option<&Signature>, component: &Digest| verify(&trusted, component, signature).unwrap_err();
    assert!(matches!(refused(None, &component), SignatureError::Missing(_)));
    let mut damaged = COMPONENT.to_vec();
    damaged[9] ^= 1;
    assert!(matches!(refused(Some(&good), &digest(&damaged)), SignatureError::Other { .. }));
    // The signature of one component under the name of another.
    let moved = Signature { digest: digest(&damaged), ..good.clone() };
    assert!(matches!(refused(Some(&moved), &digest(&damaged)), SignatureError::Wrong { .. }));
    assert!(matches!(refused(Some(&other.sign(COMPONENT)), &component), SignatureError::NotTrusted { .. }));
    // Another key's signature under the name of a trusted key.
    let posing = Signature { key: private.public().id(), ..other.sign(COMPONENT) };
    assert!(matches!(refused(Some(&posing), &component), SignatureError::Wrong { .. }));
    for bit in [0, 200, 511] {
        let mut flipped = good.clone();
        flipped.bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(refused(Some(&flipped), &component), SignatureError::Wrong { .. }), "bit {bit}");
    }
}

#[test]
fn what_is_no_signature_or_key_says_what_was_expected() {
    let good = key(1).sign(COMPONENT).to_string();
    let check = |text: &str, expect: &str| {
        let error = text.parse::<Signature>().unwrap_err().to_string();
        assert!(error.contains(expect), "{text}: {error}");
    };
    check("", "four words");
    check(&good.replace("signature-1", "signature-2"), "scorehost-signature-1");
    check(&good.replace("ed25519:", "rsa:"), "not ed25519");
    check(&good[..good.len() - 8], "64 bytes");
    check(&good.replace("sha256:", "md5:"), "no digest");
    assert!(PublicKey::from_pem("-----BEGIN").unwrap_err().to_string().contains("public key"));
    assert!(PrivateKey::from_pem(&key(1).public().to_pem()).is_err());
}

#[test]
fn new_keys_differ() {
    assert_ne!(PrivateKey::generate().public().id(), PrivateKey::generate().public().id());
}
