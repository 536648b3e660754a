//! The arguments of a call, as a person writes them.

use serde_json::{Map, Value};

use crate::question::{list, text};

/// What is handed to the method: an object or a list. The error says what is wrong.
pub(crate) fn read(words: &[String], method: &Value) -> Result<Value, String> {
    if let [word] = words
        && word.trim_start().starts_with(['{', '['])
    {
        return serde_json::from_str(word)
            .map_err(|error| format!("the arguments are not JSON: {error}"));
    }
    let mut object = Map::new();
    for word in words {
        let (key, value) = word.split_once('=').ok_or_else(|| {
            format!("{word:?} is neither KEY=VALUE nor a JSON object or list of all arguments")
        })?;
        let argument =
            list(method, "arguments").iter().find(|argument| text(argument, "name") == Some(key));
        let argument = argument.ok_or_else(|| format!("there is no argument {key}"))?;
        let value = if is_text(text(argument, "type").unwrap_or("")) {
            Value::String(value.to_owned())
        } else {
            serde_json::from_str(value).map_err(|error| {
                format!("{value:?} for {key} is not JSON, which is needed for its type: {error}")
            })?
        };
        if object.insert(key.to_owned(), value).is_some() {
            return Err(format!("there are two values for {key}"));
        }
    }
    Ok(Value::Object(object))
}

/// Whether every value of this type is a text in JSON, as far as its name in the source tells.
fn is_text(of: &str) -> bool {
    let of: String = of.chars().filter(|c| !c.is_whitespace()).collect();
    matches!(&*of, "String" | "std::string::String" | "PathBuf" | "std::path::PathBuf" | "char")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_words(words: &[&str]) -> Result<Value, String> {
        let method = json!({"arguments": [
            {"name": "n", "type": "i64"},
            {"name": "text", "type": "String"},
            {"name": "maybe", "type": "Option < String >"},
        ]});
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        read(&words, &method)
    }

    #[test]
    fn arguments_are_json_or_pairs() {
        assert_eq!(read_words(&[]), Ok(json!({})));
        assert_eq!(read_words(&["{\"n\": 2}"]), Ok(json!({"n": 2})));
        assert_eq!(read_words(&[" [2, \"a\"]"]), Ok(json!([2, "a"])));
        let pairs = read_words(&["n=-2", "text=3", "maybe=null"]);
        assert_eq!(pairs, Ok(json!({"n": -2, "text": "3", "maybe": null})));
        assert_eq!(read_words(&["text=a=b"]), Ok(json!({"text": "a=b"})));
        for (words, says) in [
            (&["{\"n\""][..], "not JSON"),
            (&["2"], "neither"),
            (&["n=two"], "\"two\" for n"),
            (&["m=2"], "no argument m"),
            (&["n=1", "n=2"], "two values for n"),
        ] {
            let error = read_words(words).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
