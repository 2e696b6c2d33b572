//! `#[derive(FromRow)]`: reads by position if the row begins with the names of the fields in their order, else by name; a struct
//! without names for its fields by position alone. Also part of `#[derive(Model)]`.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::{
    Data, DeriveInput, Error, Expr, Field, Fields, Ident, LitStr, Member, Path, Result, Type, ext::IdentExt as _,
};

use crate::{
    attributes::{Attributes, Errors},
    case::Case,
    field,
};

const KEYS: &str = "`rename`, `default`, `json`, `try_from`, `flatten`, `skip`";

/// A field, and what it is read from.
pub(crate) struct Source {
    member: Member,
    ty: Type,
    form: Form,
}

/// What a field is made of.
enum Form {
    /// A column: its name, how it is read, and what the field is without it.
    Column { name: LitStr, read: Read, default: Option<TokenStream> },
    /// Several columns, which the type of the field reads.
    Flatten,
    /// Nothing in the row.
    Skip(TokenStream),
}

/// How a column is read.
enum Read {
    /// By its type.
    Cell,
    /// As JSON; an `Option` is NULL for `None`.
    Json { inner: Option<Box<Type>> },
    /// As another type, which is converted.
    TryFrom(Box<Type>),
}

impl Source {
    /// A field that is read from the column of this name by its type.
    pub(crate) fn plain(ident: &Ident, ty: &Type, column: &LitStr) -> Self {
        let form = Form::Column { name: column.clone(), read: Read::Cell, default: None };
        Self { member: ident.clone().into(), ty: ty.clone(), form }
    }

    fn column(&self) -> Option<&LitStr> {
        if let Form::Column { name, .. } = &self.form { Some(name) } else { None }
    }

    fn parse(at: usize, field: Field, case: Option<Case>) -> Result<Self> {
        let Field { attrs, ident, ty, .. } = field;
        let mut given = Attributes::read(&attrs, "from_row")?;
        let skip = given.flag("skip")?.filter(|flag| flag.value);
        let flatten = given.flag("flatten")?.filter(|flag| flag.value);
        let renamed = given.name("rename")?;
        let default = given.value_or_nothing("default")?.map(|(_, value)| default(value, &ty));
        let json = given.flag("json")?.filter(|flag| flag.value);
        let try_from = given.text("try_from")?;
        given.finish(KEYS)?;
        if let (Some(text), None) = (&renamed, &ident) {
            return Err(Error::new(text.span(), "a field without a name is read by its position"));
        }
        if let (Some(flag), None) = (&flatten, &ident) {
            return Err(Error::new(flag.span, "`flatten` is for a field that has a name"));
        }
        let others = [renamed.is_some(), default.is_some(), json.is_some(), try_from.is_some()];
        let form = match (skip, flatten) {
            (Some(flag), Some(_)) => return Err(Error::new(flag.span, "`skip` and `flatten` exclude each other")),
            (Some(flag), None) if others[0] || others[2] || others[3] => {
                return Err(Error::new(flag.span, "a field that is skipped has no key but `default`"));
            }
            (None, Some(flag)) if others.contains(&true) => {
                return Err(Error::new(flag.span, "a field that is flattened has no other key"));
            }
            (Some(_), None) => Form::Skip(default.unwrap_or_else(|| self::default(None, &ty))),
            (None, Some(_)) => Form::Flatten,
            (None, None) => {
                let read = match (json, try_from) {
                    (Some(flag), Some(_)) => {
                        return Err(Error::new(flag.span, "`json` and `try_from` exclude each other"));
                    }
                    (Some(_), None) => Read::Json { inner: field::optional(&ty).cloned().map(Box::new) },
                    (None, Some(text)) => Read::TryFrom(Box::new(text.parse()?)),
                    (None, None) => Read::Cell,
                };
                Form::Column { name: renamed.unwrap_or_else(|| name(at, ident.as_ref(), case)), read, default }
            }
        };
        Ok(Self { member: ident.map_or_else(|| Member::from(at), Member::from), ty, form })
    }

    /// The field and its value. `index` finds its column.
    fn value(&self, krate: &Path, cell: &TokenStream, index: &TokenStream) -> TokenStream {
        let Self { member, ty, form } = self;
        let read = |index: &TokenStream| match form {
            Form::Column { read: Read::Cell, .. } => quote!(#cell::<#ty>(row, #index)?),
            Form::Column { read: Read::Json { inner: None }, .. } => {
                quote!(#krate::__private::read_json::<#ty>(row, #index)?)
            }
            Form::Column { read: Read::Json { inner: Some(inner) }, .. } => {
                quote!(#krate::__private::read_json_or_null::<#inner>(row, #index)?)
            }
            Form::Column { read: Read::TryFrom(from), .. } => {
                quote!(#krate::__private::read_try_from::<#from, #ty>(row, #index)?)
            }
            Form::Flatten => quote!(<#ty as #krate::__private::FromRow>::from_row(row)?),
            Form::Skip(default) => default.clone(),
        };
        let value = match form {
            Form::Column { default: Some(default), .. } => {
                let found = read(&quote!(at));
                quote! {
                    match #krate::__private::position(row, #index) {
                        ::std::option::Option::Some(at) => #found,
                        ::std::option::Option::None => #default,
                    }
                }
            }
            _ => read(index),
        };
        quote!(#member: #value)
    }
}

/// The name of the column of a field.
fn name(at: usize, ident: Option<&Ident>, case: Option<Case>) -> LitStr {
    let Some(ident) = ident else {
        return LitStr::new(&at.to_string(), proc_macro2::Span::call_site());
    };
    let name = ident.unraw().to_string();
    LitStr::new(&case.map_or_else(|| name.clone(), |case| case.write(&name)), ident.span())
}

/// The value of a field that is not in the row.
fn default(value: Option<Expr>, ty: &Type) -> TokenStream {
    value.map_or_else(|| quote!(<#ty as ::std::default::Default>::default()), Expr::into_token_stream)
}

/// What the derive makes.
pub(crate) fn derive(input: DeriveInput) -> Result<TokenStream> {
    crate::model::refuse_generics(&input, "a struct that is read from rows")?;
    let mut given = Attributes::read(&input.attrs, "from_row")?;
    let krate = crate::model::krate(&mut given)?;
    let case = given.text("rename_all")?.map(|name| Case::named(&name)).transpose()?;
    given.finish("`rename_all`, `crate`")?;
    let none = |span| Error::new(span, "`FromRow` is derived for structs with fields");
    let Data::Struct(data) = input.data else {
        return Err(none(input.ident.span()));
    };
    let (fields, is_tuple) = match data.fields {
        Fields::Named(fields) => (fields.named, false),
        Fields::Unnamed(fields) => (fields.unnamed, true),
        Fields::Unit => return Err(none(input.ident.span())),
    };
    let mut errors = Errors::default();
    let sources: Vec<_> =
        fields.into_iter().enumerate().filter_map(|(at, field)| errors.keep(Source::parse(at, field, case))).collect();
    errors.finish()?;
    let read = quote!(#krate::__private::Row::get);
    Ok(if is_tuple {
        by_position(&krate, &input.ident, &sources, &read)
    } else {
        implementation(&krate, &input.ident, &sources, &read)
    })
}

/// The fields, each from the column of its number among those that are read.
fn positional<'a>(
    krate: &'a Path,
    fields: &'a [Source],
    cell: &'a TokenStream,
) -> impl Iterator<Item = TokenStream> + 'a {
    let mut next = 0_usize;
    fields.iter().map(move |field| {
        let at = next;
        next += usize::from(field.column().is_some());
        field.value(krate, cell, &quote!(#at))
    })
}

/// The implementation for a struct without names for its fields.
fn by_position(krate: &Path, ident: &Ident, fields: &[Source], cell: &TokenStream) -> TokenStream {
    let fields = positional(krate, fields, cell);
    from_row(krate, ident, &quote!(::std::result::Result::Ok(Self { #(#fields),* })))
}

/// The implementation for a struct of these fields, each of which is read by the function `read`.
pub(crate) fn implementation(krate: &Path, ident: &Ident, fields: &[Source], cell: &TokenStream) -> TokenStream {
    let names = fields.iter().filter_map(Source::column);
    let by_position = positional(krate, fields, cell);
    let by_name = fields.iter().map(|field| field.value(krate, cell, &field.column().to_token_stream()));
    let body = quote! {
        if #krate::__private::begins_with(row, &[#(#names),*]) {
            ::std::result::Result::Ok(Self { #(#by_position),* })
        } else {
            ::std::result::Result::Ok(Self { #(#by_name),* })
        }
    };
    from_row(krate, ident, &body)
}

fn from_row(krate: &Path, ident: &Ident, body: &TokenStream) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl #krate::__private::FromRow for #ident {
            fn from_row(row: &#krate::__private::Row) -> #krate::__private::Result<Self> {
                #body
            }
        }
    }
}
