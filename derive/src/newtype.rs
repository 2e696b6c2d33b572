//! `#[derive(Field)]`: a struct of one field that is stored as that field is.

use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};
use syn::{Data, DeriveInput, Error, Fields, Member, Result, Type};

use crate::{attributes::Attributes, model};

/// What the derive makes.
pub(crate) fn derive(input: DeriveInput) -> Result<TokenStream> {
    model::refuse_generics(&input, "a newtype that is a field")?;
    let mut given = Attributes::read(&input.attrs, "field")?;
    let krate = model::krate(&mut given)?;
    given.finish("`crate`")?;
    let ident = &input.ident;
    let (member, ty) = only_field(input.data).ok_or_else(|| {
        let message = "`Field` is derived for structs of one field; an enum has `#[derive(TextEnum)]` or \
                       `#[derive(IntEnum)]`, and any other type of serde is stored by `Json<T>`";
        Error::new(ident.span(), message)
    })?;
    let field = quote!(<#ty as #krate::__private::Field>);
    Ok(quote! {
        #[automatically_derived]
        impl<'r> #krate::__private::FromCell<'r> for #ident {
            #[inline]
            fn from_cell(cell: #krate::__private::Cell<'r>) -> ::std::result::Result<Self, #krate::__private::Mismatch> {
                ::std::result::Result::Ok(Self { #member: #krate::__private::read_cell::<#ty>(cell)? })
            }
        }

        #[automatically_derived]
        impl #krate::__private::Field for #ident {
            const TYPE: #krate::__private::ColumnType = #field::TYPE;
            const NULL: bool = #field::NULL;
            const REFERENCES: ::std::option::Option<fn() -> &'static #krate::__private::Table> = #field::REFERENCES;

            #[inline]
            fn to_value(&self) -> #krate::__private::Value {
                #field::to_value(&self.#member)
            }
        }

        #[automatically_derived]
        impl #krate::__private::Newtype for #ident {}

        #[automatically_derived]
        impl<__Model: #krate::__private::Model<Key = Self>> #krate::__private::Operand<#krate::ForeignKey<__Model>> for #ident {
            fn into_operand_value(self) -> #krate::__private::Value {
                #krate::__private::Field::to_value(&self)
            }
        }

        #[automatically_derived]
        impl<__Model: #krate::__private::Model<Key = Self>>
            #krate::__private::Operand<::std::option::Option<#krate::ForeignKey<__Model>>> for #ident
        {
            fn into_operand_value(self) -> #krate::__private::Value {
                #krate::__private::Field::to_value(&self)
            }
        }

        #[automatically_derived]
        impl ::std::convert::From<#ident> for #krate::__private::Value {
            #[inline]
            fn from(value: #ident) -> Self {
                #krate::__private::Field::to_value(&value)
            }
        }
    })
}

/// The one field of a struct.
fn only_field(data: Data) -> Option<(TokenStream, Type)> {
    let Data::Struct(data) = data else {
        return None;
    };
    let fields = match data.fields {
        Fields::Named(fields) => fields.named,
        Fields::Unnamed(fields) => fields.unnamed,
        Fields::Unit => return None,
    };
    let mut fields = fields.into_iter();
    let (Some(field), None) = (fields.next(), fields.next()) else {
        return None;
    };
    let member = field.ident.map_or_else(|| Member::from(0), Member::from);
    Some((member.into_token_stream(), field.ty))
}
