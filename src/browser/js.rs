//! JavaScript values: reading properties, calling methods, JSON.
#![cfg_attr(not(feature = "hydrate"), expect(unused_variables, reason = "the server's bodies are never called"))]

#[cfg(feature = "hydrate")]
use {
    js_sys::{Array, Function, JSON, Object, Promise, Reflect},
    wasm_bindgen::{JsCast, JsValue},
    wasm_bindgen_futures::JsFuture,
};

/// The server has no JavaScript values: there the type is empty, and whatever takes one cannot be called.
#[cfg(not(feature = "hydrate"))]
type JsValue = std::convert::Infallible;

/// A JavaScript value.
#[derive(Clone)]
pub struct Js(JsValue);

impl Js {
    /// The global object.
    pub fn global() -> Self {
        cfg_select! {
            feature = "hydrate" => Self(js_sys::global().into()),
            _ => unreachable!(),
        }
    }

    pub fn string(text: &str) -> Self {
        cfg_select! {
            feature = "hydrate" => Self(JsValue::from_str(text)),
            _ => unreachable!(),
        }
    }

    /// An object with these properties.
    pub fn object(properties: &[(&str, Self)]) -> Self {
        cfg_select! {
            feature = "hydrate" => {
                let object = Object::new();
                for (name, value) in properties {
                    _ = Reflect::set(&object, &JsValue::from_str(name), &value.0);
                }
                Self(object.into())
            }
            _ => unreachable!(),
        }
    }

    /// A JSON text as a value. `None`: it is not JSON.
    pub fn parse(json: &str) -> Option<Self> {
        cfg_select! {
            feature = "hydrate" => JSON::parse(json).ok().map(Self),
            _ => unreachable!(),
        }
    }

    /// The value as JSON text.
    pub fn stringify(&self) -> Self {
        cfg_select! {
            feature = "hydrate" => Self(JSON::stringify(&self.0).unwrap_or_default().into()),
            _ => match self.0 {},
        }
    }

    /// A property; `undefined` if this is not an object.
    pub fn get(&self, name: &str) -> Self {
        cfg_select! {
            feature = "hydrate" => Self(Reflect::get(&self.0, &name.into()).unwrap_or(JsValue::UNDEFINED)),
            _ => match self.0 {},
        }
    }

    /// Calls a method. `Err`: what it threw, also if there is no such method.
    pub fn call(&self, method: &str, arguments: &[Self]) -> Result<Self, Self> {
        cfg_select! {
            feature = "hydrate" => {
                let function: Result<Function, JsValue> = self.get(method).0.dyn_into();
                let arguments = arguments.iter().map(|argument| &argument.0).collect();
                function.and_then(|function| function.apply(&self.0, &arguments)).map(Self).map_err(Self)
            }
            _ => match self.0 {},
        }
    }

    /// Calls a method and awaits the promise it returns. `Err`: what it threw.
    pub async fn call_async(&self, method: &str, arguments: &[Self]) -> Result<Self, Self> {
        let result = self.call(method, arguments)?;
        cfg_select! {
            feature = "hydrate" => JsFuture::from(Promise::resolve(&result.0)).await.map(Self).map_err(Self),
            _ => match result.0 {},
        }
    }

    pub fn as_string(&self) -> Option<String> {
        cfg_select! {
            feature = "hydrate" => self.0.as_string(),
            _ => match self.0 {},
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        cfg_select! {
            feature = "hydrate" => self.0.as_bool(),
            _ => match self.0 {},
        }
    }

    /// The strings of an array; empty if this is not an array.
    pub fn strings(&self) -> Vec<String> {
        cfg_select! {
            feature = "hydrate" => {
                let array = self.0.dyn_ref::<Array>().cloned().unwrap_or_default();
                array.iter().filter_map(|text| text.as_string()).collect()
            }
            _ => match self.0 {},
        }
    }

    pub fn is_object(&self) -> bool {
        cfg_select! {
            feature = "hydrate" => self.0.is_object(),
            _ => match self.0 {},
        }
    }

    pub fn is_undefined(&self) -> bool {
        cfg_select! {
            feature = "hydrate" => self.0.is_undefined(),
            _ => match self.0 {},
        }
    }
}
