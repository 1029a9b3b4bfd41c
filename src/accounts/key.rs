//! DKIM keys: made at random, each under a selector of its own.

use super::sending_domain::{DkimAlgorithm, DkimChoice, DkimKey, KeyStage};
use crate::mail::Timestamp;
use crate::mail::id::BASE32;
use crate::world::World;
use data_encoding::BASE64;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey};
use rsa::rand_core::{TryCryptoRng, TryRng};
use std::convert::Infallible;

/// Characters of chance in a selector, so that two made on one day are two.
const CHANCE: usize = 8;

/// The world's chance in the shape that key generation asks for.
struct Dice(World);

impl TryRng for Dice {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.chance.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.chance.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.chance.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Dice {}

/// A private and a public key: PKCS #8 DER, and base64 as `p=` has it.
type Pair = (Vec<u8>, String);

fn rsa_pair(world: World) -> Result<Pair, String> {
    let key = rsa::PrivateKey::new(&mut Dice(world), 2048).map_err(|f| f.to_string())?;
    let private = key.to_pkcs8_der().map_err(|f| f.to_string())?;
    let public = key.to_public_key().to_public_key_der().map_err(|f| f.to_string())?;
    Ok((private.as_bytes().to_vec(), BASE64.encode(public.as_bytes())))
}

fn ed25519_pair() -> Result<Pair, String> {
    let private = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
    let private = private.map_err(|f| f.to_string())?;
    let pair = Ed25519KeyPair::from_pkcs8(private.as_ref()).map_err(|f| f.to_string())?;
    Ok((private.as_ref().to_vec(), BASE64.encode(pair.public_key().as_ref())))
}

/// Makes the keys that are chosen. A selector names its day, and has some chance in it: one that stood in
/// DNS before, with a key that is gone, is not met again.
pub(super) fn make(
    choice: DkimChoice,
    stage: KeyStage,
    made: Timestamp,
    world: &World,
) -> Result<Vec<DkimKey>, String> {
    let date = made.date().replace('-', "");
    let mut chance = [0; 5];
    world.chance.fill(&mut chance);
    let chance = &BASE32.encode(&chance)[..CHANCE];
    let mut keys = Vec::new();
    let mut add = |kind: &str, algorithm, (private, public): Pair| {
        let selector = format!("relent-{kind}-{date}-{chance}");
        keys.push(DkimKey { selector, algorithm, private, public, stage, made });
    };
    if matches!(choice, DkimChoice::Both | DkimChoice::Rsa) {
        add("rsa", DkimAlgorithm::Rsa, rsa_pair(world.clone())?);
    }
    if matches!(choice, DkimChoice::Both | DkimChoice::Ed25519) {
        add("ed", DkimAlgorithm::Ed25519, ed25519_pair()?);
    }
    Ok(keys)
}
