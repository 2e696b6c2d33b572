//! The constant `Model::TABLE`, and checks of the fields' types at compile time: `max_length` is for text, an action for a
//! foreign key.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{LitStr, spanned::Spanned as _};

use crate::{
    field::{Action, Field, Generated, Stored},
    model::Model,
};

impl Model {
    /// The value of `Model::TABLE`.
    pub(crate) fn table(&self) -> TokenStream {
        let Self { krate, schema, table, key, .. } = self;
        let model = self.ident.to_string();
        let schema = option(schema.as_ref());
        let columns = (0..self.fields.len()).map(|at| self.column(at));
        let indexes = self.indexes.iter().map(|index| {
            let (columns, unique) = (&index.columns, index.unique);
            quote!(#krate::__private::index(&[#(#columns),*], #unique))
        });
        quote! {
            {
                const COLUMNS: &[#krate::__private::ColumnDef] = &[#(#columns),*];
                const INDEXES: &[#krate::__private::IndexDef] = &[#(#indexes),*];
                &#krate::__private::table(#model, #schema, #table, COLUMNS, &[#(#key),*], INDEXES)
            }
        }
    }

    /// The constant of a column: what the attributes say, and the rest as it is by default.
    fn column(&self, at: usize) -> TokenStream {
        let krate = &self.krate;
        let field = &self.fields[at];
        let Field { ty, column, .. } = field;
        let (name, auto) = (field.name(), self.auto(at));
        let on_delete = action(krate, field.on_delete.as_ref());
        let on_update = action(krate, field.on_update.as_ref());
        let index = field.index.unwrap_or(true);
        let given = |key: &str, value: Option<TokenStream>| {
            let key = format_ident!("{key}");
            value.map(|value| quote!(#key: #value,))
        };
        let some = |value: &dyn ToTokens| quote!(::std::option::Option::Some(#value));
        let write = (field.generated.is_some() || field.is_read_only()).then(|| {
            let sql = option(field.generated.as_ref().and_then(|generated| generated.sql.as_ref()));
            let (read_only, generated) = (field.is_read_only(), field.generated.is_some());
            quote!(#krate::__private::write(#read_only, #generated, #sql))
        });
        let settings = [
            given("max_length", field.max_length.as_ref().map(|length| some(length))),
            given("default_sql", field.default_sql.as_ref().map(|sql| some(sql))),
            given("check", field.check.as_ref().map(|sql| some(sql))),
            given(
                "stored",
                field.stored.as_ref().map(|Stored { variant, .. }| quote!(#krate::__private::Stored::#variant)),
            ),
            given("write", write),
        ];
        let settings = settings.iter().flatten();
        let field_type = quote!((<#ty as #krate::__private::Field>::TYPE, <#ty as #krate::__private::Field>::NULL));
        quote! {
            #krate::__private::column(#column, #name, #field_type, #krate::__private::ColumnSettings {
                auto: #auto,
                references: #krate::__private::reference::<#ty>(#on_delete, #on_update, #index),
                #(#settings)*
                ..#krate::__private::ColumnSettings::DEFAULT
            })
        }
    }

    /// Whether the database numbers new rows by the field.
    fn auto(&self, at: usize) -> TokenStream {
        let Self { krate, key, .. } = self;
        let Field { ty, auto, default, default_sql, generated, .. } = &self.fields[at];
        let computed = matches!(generated, Some(Generated { sql: Some(_), .. }));
        match auto {
            Some(auto) => quote!(#auto),
            None if *key == [at] && default.is_none() && default_sql.is_none() && !computed => {
                quote!(#krate::__private::can_be_auto::<#ty>())
            }
            None => quote!(false),
        }
    }

    /// What must hold of the types, as constants that do not compile otherwise.
    pub(crate) fn checks(&self) -> TokenStream {
        self.fields.iter().enumerate().map(|(at, field)| self.checks_of(at, field)).collect()
    }

    fn checks_of(&self, at: usize, field: &Field) -> TokenStream {
        let Self { krate, key, .. } = self;
        let ty = &field.ty;
        let mut out = TokenStream::new();
        let mut check = |span: Span, what: TokenStream, message: &str| {
            out.extend(quote_spanned! {span=> const _: () = ::std::assert!(#what, #message); });
        };
        if let Some(length) = &field.max_length {
            check(length.span(), quote!(#krate::__private::is_text::<#ty>()), "`max_length` is for text");
        }
        if let Some(auto) = field.auto.as_ref().filter(|auto| auto.value) {
            let message = "a key that the database numbers is an integer";
            check(auto.span, quote!(#krate::__private::can_be_auto::<#ty>()), message);
        }
        if let Some(Stored { of, span, .. }) = &field.stored {
            let message = match of.to_string().as_str() {
                "Uuid" => "this form is one of UUIDs",
                _ => "this form is one of moments: `DateTime<Utc>`",
            };
            let ty = quote!(<#ty as #krate::__private::Field>::TYPE);
            check(*span, quote!(::std::matches!(#ty, #krate::__private::ColumnType::#of)), message);
        }
        for action in [&field.on_delete, &field.on_update].into_iter().flatten() {
            let message = "only a foreign key has `on_delete` and `on_update`";
            check(action.span, quote!(#krate::__private::is_reference::<#ty>()), message);
            if action.variant == "SetNull" {
                let message = "a reference that becomes NULL is an `Option<ForeignKey<…>>`";
                check(action.span, quote!(<#ty as #krate::__private::Field>::NULL), message);
            }
        }
        if key.contains(&at) {
            check(ty.span(), quote!(!<#ty as #krate::__private::Field>::NULL), "a primary key cannot be NULL");
        }
        out
    }
}

fn option(text: Option<&LitStr>) -> TokenStream {
    match text {
        Some(text) => quote!(::std::option::Option::Some(#text)),
        None => quote!(::std::option::Option::None),
    }
}

fn action(krate: &syn::Path, action: Option<&Action>) -> TokenStream {
    match action {
        Some(Action { variant, .. }) => {
            quote!(::std::option::Option::Some(#krate::__private::ReferenceAction::#variant))
        }
        None => quote!(::std::option::Option::None),
    }
}
