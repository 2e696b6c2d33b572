//! `#[derive(TextEnum)]`: an enum whose variants are stored as text.

use std::collections::HashMap;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Ident, LitStr, Path, Result, Variant, ext::IdentExt as _};

use crate::{
    attributes::{Attributes, Errors},
    case::Case,
    model,
};

/// What the derive makes.
pub(crate) fn derive(input: DeriveInput) -> Result<TokenStream> {
    model::refuse_generics(&input, "an enum that is stored as text")?;
    let mut given = Attributes::read(&input.attrs, "text_enum")?;
    let krate = model::krate(&mut given)?;
    let case = given.text("rename_all")?.map(|name| Case::named(&name)).transpose()?;
    given.finish("`rename_all`, `crate`")?;
    let Data::Enum(data) = input.data else {
        return Err(Error::new(input.ident.span(), "`TextEnum` is derived for enums"));
    };
    if data.variants.is_empty() {
        return Err(Error::new(input.ident.span(), "an enum without variants has no values to store"));
    }
    let mut errors = Errors::default();
    let mut variants = Vec::new();
    let mut seen = HashMap::new();
    for variant in data.variants {
        let Some(text) = errors.keep(text(&variant, case)) else {
            continue;
        };
        if let Some(other) = seen.insert(text.value(), variant.ident.clone()) {
            let message = format!("the variants `{other}` and `{}` have one text, {:?}", variant.ident, text.value());
            errors.push(Error::new(text.span(), message));
        }
        variants.push((variant.ident, text));
    }
    errors.finish()?;
    Ok(implementations(&krate, &input.ident, &variants))
}

fn text(variant: &Variant, case: Option<Case>) -> Result<LitStr> {
    if !matches!(variant.fields, Fields::Unit) {
        return Err(Error::new_spanned(&variant.fields, "a variant that is stored as text has no fields"));
    }
    let mut given = Attributes::read(&variant.attrs, "text_enum")?;
    let renamed = given.text("rename")?;
    given.finish("`rename`")?;
    let name = variant.ident.unraw().to_string();
    let name = || case.map_or_else(|| name.clone(), |case| case.write(&name));
    Ok(renamed.unwrap_or_else(|| LitStr::new(&name(), variant.ident.span())))
}

fn implementations(krate: &Path, ident: &Ident, variants: &[(Ident, LitStr)]) -> TokenStream {
    let (names, texts): (Vec<_>, Vec<_>) = variants.iter().map(|(name, text)| (name, text)).unzip();
    quote! {
        #[automatically_derived]
        impl #krate::__private::TextEnum for #ident {
            const TEXTS: &'static [&'static str] = &[#(#texts),*];

            fn text(&self) -> &'static str {
                match self {
                    #(Self::#names => #texts,)*
                }
            }

            fn from_text(text: &str) -> ::std::option::Option<Self> {
                match text {
                    #(#texts => ::std::option::Option::Some(Self::#names),)*
                    _ => ::std::option::Option::None,
                }
            }
        }

        #[automatically_derived]
        impl<'r> #krate::__private::FromCell<'r> for #ident {
            fn from_cell(cell: #krate::__private::Cell<'r>) -> ::std::result::Result<Self, #krate::__private::Mismatch> {
                #krate::__private::read_text_enum(cell)
            }
        }

        #[automatically_derived]
        impl #krate::__private::Field for #ident {
            const TYPE: #krate::__private::ColumnType = #krate::__private::ColumnType::Text;

            fn to_value(&self) -> #krate::__private::Value {
                <#krate::__private::Value as ::std::convert::From<&str>>::from(#krate::__private::TextEnum::text(self))
            }
        }

        #[automatically_derived]
        impl ::std::convert::From<#ident> for #krate::__private::Value {
            fn from(value: #ident) -> Self {
                <Self as ::std::convert::From<&str>>::from(#krate::__private::TextEnum::text(&value))
            }
        }
    }
}
