//! A session of Django's `PickleSerializer`: a few fields that are known, and whatever else the
//! application keeps.

use std::collections::BTreeMap;

use pickle_codec::{Protocol, Value, from_slice, to_vec};
use serde::{Deserialize, Serialize};

/// `pickle.dumps({"_auth_user_id": "7", ..., "cart": [(12, 2), (40, 1)], "_session_expiry": 1209600}, 4)`
const SESSION: &[u8] =
    b"\x80\x04\x95\xa1\0\0\0\0\0\0\0}\x94(\x8c\x0d_auth_user_id\x94\x8c\x017\x94\x8c\x12_auth_user_bac\
    kend\x94\x8c)django.contrib.auth.backends.ModelBackend\x94\x8c\x0f_auth_user_hash\x94\x8c\x045f3\
    c\x94\x8c\x04cart\x94]\x94(K\x0cK\x02\x86\x94K(K\x01\x86\x94e\x8c\x0f_session_expiry\x94J\0u\x12\
    \0u.";

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Session {
    #[serde(rename = "_auth_user_id")]
    user: Option<String>,
    #[serde(rename = "_session_expiry")]
    expiry: Option<u32>,
    /// `flatten` goes through a buffer of serde's, which keeps tuples as lists.
    #[serde(flatten)]
    rest: BTreeMap<String, Value<'static>>,
}

pub(crate) fn main() -> Result<(), pickle_codec::Error> {
    let session: Session = from_slice(SESSION)?;
    assert_eq!((session.user.as_deref(), session.expiry), (Some("7"), Some(1_209_600)));
    assert_eq!(session.rest["cart"][1][0], 40);

    let written = to_vec(&session, Protocol::V4)?;
    assert_eq!(from_slice::<Session>(&written)?, session);
    Ok(())
}
