//! [`Model`]: the parsed input of `#[derive(Model)]`, checked as far as that is possible without types. `output.rs` generates
//! the code.

use std::collections::HashMap;

use syn::{Data, DeriveInput, Error, Fields, Ident, LitStr, Path, Result, Visibility, ext::IdentExt as _, parse_quote};

use crate::{
    attributes::{Attributes, Errors},
    case::Case,
    field::Field,
};

const KEYS: &str = "`table`, `schema`, `unique(…)`, `index(…)`, `rename_all`, `crate`";

/// A struct that is a model.
pub(crate) struct Model {
    pub(crate) ident: Ident,
    pub(crate) vis: Visibility,
    /// Where the crate `nestling` is.
    pub(crate) krate: Path,
    pub(crate) schema: Option<LitStr>,
    pub(crate) table: LitStr,
    pub(crate) fields: Vec<Field>,
    /// The numbers of the fields that are the primary key.
    pub(crate) key: Vec<usize>,
    pub(crate) indexes: Vec<Index>,
}

/// An index or a unique constraint.
pub(crate) struct Index {
    pub(crate) columns: Vec<usize>,
    pub(crate) unique: bool,
}

impl Model {
    pub(crate) fn read(input: DeriveInput) -> Result<Self> {
        refuse_generics(&input, "a model")?;
        let mut errors = Errors::default();
        let mut given = Attributes::read(&input.attrs, "model")?;
        let krate = krate(&mut given)?;
        let schema = given.name("schema")?;
        let table = given.name("table")?;
        let case = given.text("rename_all")?.map(|name| Case::named(&name)).transpose()?;
        let lists = [(true, given.lists("unique")?), (false, given.lists("index")?)];
        given.finish(KEYS)?;
        let fields = named_fields(input.data, &input.ident, "Model")?;
        let fields: Vec<Field> =
            fields.into_iter().filter_map(|field| errors.keep(Field::read(field, &input.ident, case))).collect();
        errors.finish()?;

        let mut errors = Errors::default();
        check_names(&fields, &mut errors);
        let key = errors.keep(primary_key(&fields, &input.ident)).unwrap_or_default();
        let indexes = indexes(&fields, lists, &mut errors);
        check_fields(&fields, &key, &mut errors);
        errors.finish()?;
        let table = table
            .unwrap_or_else(|| LitStr::new(&Case::Snake.write(&input.ident.unraw().to_string()), input.ident.span()));
        Ok(Self { ident: input.ident, vis: input.vis, krate, schema, table, fields, key, indexes })
    }
}

/// Where the crate `nestling` is: an attribute tells when it goes by another name.
pub(crate) fn krate(given: &mut Attributes) -> Result<Path> {
    given.text("crate")?.map_or_else(|| Ok(parse_quote!(::nestling)), |path| path.parse())
}

/// `what` cannot have parameters.
pub(crate) fn refuse_generics(input: &DeriveInput, what: &str) -> Result<()> {
    if input.generics.params.is_empty() {
        return Ok(());
    }
    let message = format!("{what} cannot have type parameters, lifetimes or const parameters");
    Err(Error::new_spanned(&input.generics, message))
}

/// The fields of a struct that has names for them.
pub(crate) fn named_fields(data: Data, ident: &Ident, derive: &str) -> Result<Vec<syn::Field>> {
    let message = format!("`{derive}` is derived for structs with named fields");
    match data {
        Data::Struct(data) => match data.fields {
            Fields::Named(fields) => Ok(fields.named.into_iter().collect()),
            _ => Err(Error::new(ident.span(), message)),
        },
        _ => Err(Error::new(ident.span(), message)),
    }
}

/// No two fields may have one column or one constant.
fn check_names(fields: &[Field], errors: &mut Errors) {
    let (mut columns, mut constants) = (HashMap::new(), HashMap::new());
    for field in fields {
        let (name, column) = (field.name(), field.column.value());
        if let Some(other) = columns.insert(column.clone(), name.clone()) {
            let message = format!("the fields `{other}` and `{name}` have one column, {column:?}");
            errors.push(Error::new(field.column.span(), message));
        }
        if let Some(other) = constants.insert(field.constant(), name.clone()) {
            let message = format!("the fields `{other}` and `{name}` have one constant, `{}`", field.constant());
            errors.push(Error::new(field.ident.span(), message));
        }
    }
}

/// The fields that say so, or else the one called `id`.
fn primary_key(fields: &[Field], model: &Ident) -> Result<Vec<usize>> {
    let mut key: Vec<usize> = (0..fields.len()).filter(|&at| fields[at].primary_key).collect();
    if key.is_empty() {
        key.extend(fields.iter().position(|field| field.name() == "id"));
    }
    match key.len() {
        0 => Err(Error::new(
            model.span(),
            "no primary key: call a field `id`, or mark one or several with `#[model(primary_key)]`",
        )),
        1..=4 => Ok(key),
        _ => Err(Error::new(fields[key[4]].ident.span(), "a primary key has at most four fields")),
    }
}

/// Those of the fields first, then those of the struct.
fn indexes(fields: &[Field], lists: [(bool, Vec<Vec<Ident>>); 2], errors: &mut Errors) -> Vec<Index> {
    let mut indexes = Vec::new();
    for (at, field) in fields.iter().enumerate() {
        if field.unique || field.index == Some(true) {
            // A unique constraint is an index as well.
            indexes.push(Index { columns: vec![at], unique: field.unique });
        }
    }
    for (unique, lists) in lists {
        for names in lists {
            let mut columns: Vec<usize> = Vec::new();
            for name in &names {
                match fields.iter().position(|field| field.ident.unraw() == name.unraw()) {
                    Some(at) if columns.contains(&at) => {
                        errors.push(Error::new(name.span(), format!("`{name}` is listed twice")));
                    }
                    Some(at) => columns.push(at),
                    None => errors.push(Error::new(name.span(), format!("there is no field `{name}`"))),
                }
            }
            indexes.push(Index { columns, unique });
        }
    }
    indexes
}

/// What fits together within a field, and with the primary key.
fn check_fields(fields: &[Field], key: &[usize], errors: &mut Errors) {
    for (at, field) in fields.iter().enumerate() {
        let mut refuse = |span, message: &str| errors.push(Error::new(span, message));
        if field.is_read_only() && field.default.is_some() {
            refuse(field.ident.span(), "a field that only the database writes has no `default`");
        }
        if let Some(generated) = &field.generated
            && (field.default_sql.is_some()
                || field.auto.as_ref().is_some_and(|auto| auto.value) && generated.sql.is_some())
        {
            refuse(generated.span, "a generated field has no `default_sql`, and is not numbered by an expression");
        }
        let Some(auto) = field.auto.as_ref() else {
            continue;
        };
        if !key.contains(&at) {
            refuse(auto.span, "`auto` is for the primary key");
        } else if auto.value && key.len() > 1 {
            refuse(auto.span, "`auto` is for a primary key of one field");
        } else if auto.value && (field.default.is_some() || field.default_sql.is_some()) {
            refuse(auto.span, "a key that the database numbers has no default");
        }
    }
}
