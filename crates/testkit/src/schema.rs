//! The part of JSON Schema that the files in docs/ use.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    clippy::semicolon_if_nothing_returned,
    reason = "a schema that says something else fails the test"
)]

use serde_json::Value as Json;

/// Checks a value by the words of JSON Schema that the files in docs/ use.
///
/// # Errors
///
/// What does not fit.
///
/// # Panics
///
/// At a word of JSON Schema that it does not know.
pub fn check(schema: &Json, value: &Json, root: &Json) -> Result<(), String> {
    let fault = |word: &str| Err(format!("{word} {schema} and {value}"));
    for (word, rule) in schema.as_object().unwrap() {
        match word.as_str() {
            "$schema" | "title" | "description" | "$defs" => {}
            "$ref" => {
                check(&root["$defs"][rule.as_str().unwrap().strip_prefix("#/$defs/").unwrap()], value, root)?
            }
            "type" => {
                let fits = match rule.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "integer" => value.is_i64(),
                    "number" => value.is_number(),
                    other => panic!("the type {other}"),
                };
                if !fits {
                    return fault("type");
                }
            }
            "anyOf" if rule.as_array().unwrap().iter().all(|one| check(one, value, root).is_err()) => {
                return fault("anyOf");
            }
            "anyOf" => {}
            "const" if rule != value => return fault("const"),
            "enum" if !rule.as_array().unwrap().contains(value) => return fault("enum"),
            "const" | "enum" => {}
            "pattern" => {
                // The one pattern there is: digits where it has a class, else the character itself.
                let shape: String = value
                    .as_str()
                    .unwrap()
                    .chars()
                    .map(|c| if c.is_ascii_digit() { '9' } else { c })
                    .collect();
                assert!(rule.as_str().unwrap().starts_with("^[0-9]{4}-"), "{rule}");
                if shape != "9999-99-99T99:99:99.999999Z" {
                    return fault("pattern");
                }
            }
            "required" => {
                for name in rule.as_array().unwrap() {
                    if value.get(name.as_str().unwrap()).is_none() {
                        return fault("required");
                    }
                }
            }
            "properties" => {
                for (name, member) in value.as_object().unwrap() {
                    match rule.get(name) {
                        Some(rule) => check(rule, member, root)?,
                        None if schema["additionalProperties"] == false => {
                            return fault("additionalProperties");
                        }
                        None => {}
                    }
                }
            }
            "additionalProperties" => {}
            "items" => {
                for item in value.as_array().unwrap() {
                    check(rule, item, root)?;
                }
            }
            "minProperties" if value.as_object().unwrap().len() < rule.as_u64().unwrap() as usize => {
                return fault(word);
            }
            "minItems" if value.as_array().unwrap().len() < rule.as_u64().unwrap() as usize => {
                return fault(word);
            }
            "maxItems" if value.as_array().unwrap().len() > rule.as_u64().unwrap() as usize => {
                return fault(word);
            }
            "minProperties" | "minItems" | "maxItems" => {}
            other => panic!("the word {other}"),
        }
    }
    Ok(())
}
