//! Newtypes and integer enums as fields and keys, and foreign keys as plain values: ordered, printed, (de)serialized.

use std::collections::{BTreeSet, HashSet};

use nestling::{
    ErrorKind, ForeignKey, Manager, Model, Value, create_tables,
    model::{ColumnType, Field, IntEnum},
    params,
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Field, Serialize, Deserialize)]
struct OwnerId(i64);

#[derive(Debug, Clone, PartialEq, Field)]
struct Name {
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Field)]
struct Price(Decimal);

#[derive(Debug, Clone, Copy, PartialEq, Eq, IntEnum)]
#[repr(u8)]
enum Level {
    Low = 1,
    Mid,
    High = 200,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, IntEnum)]
enum Sign {
    Minus = -1,
    Plus = 1,
}

#[derive(Debug, Clone, PartialEq, Model)]
#[model(table = "owner")]
struct Owner {
    id: OwnerId,
    #[model(max_length = 40)]
    name: Name,
    nick: Option<Name>,
    price: Price,
    #[model(default = Level::Mid)]
    level: Level,
    sign: Option<Sign>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Model)]
#[model(table = "pet")]
struct Pet {
    id: i64,
    #[model(backref = "pets")]
    owner: ForeignKey<Owner>,
    minder: Option<ForeignKey<Owner>>,
}

fn name(text: &str) -> Name {
    Name { text: text.into() }
}

#[test]
fn a_newtype_has_the_column_of_what_is_in_it() {
    let types: Vec<_> = Owner::TABLE.columns.iter().map(|column| (column.ty, column.null)).collect();
    use ColumnType::{Decimal, I16, I32, I64, Text};
    assert_eq!(types, [(I64, false), (Text, false), (Text, true), (Decimal, false), (I16, false), (I32, true)]);
    assert!(Owner::TABLE.columns[0].auto, "an integer in a newtype is numbered by the database");
}

#[test]
fn a_foreign_key_is_what_its_key_is() {
    let [one, two] = [1, 2].map(|id| ForeignKey::<Owner>::new(OwnerId(id)));
    assert!(one < two && one.max(two) == two);
    assert_eq!(BTreeSet::from([two, one]).first(), Some(&one));
    assert_eq!(HashSet::from([one, one, two]).len(), 2);
    assert_eq!(ForeignKey::<Pet>::new(7).to_string(), "7");
    assert_eq!(Value::from(one), Value::I64(1));
    let pet = Pet { id: 5, owner: two, minder: None };
    let text = serde_json::to_string(&pet).unwrap();
    assert_eq!(text, r#"{"id":5,"owner":2,"minder":null}"#);
    assert_eq!(serde_json::from_str::<Pet>(&text).unwrap(), pet);
}

#[test]
fn the_integers_of_an_enum_are_its_discriminants() {
    assert_eq!((Level::VALUES, Sign::VALUES), (&[1, 2, 200][..], &[-1, 1][..]));
    assert_eq!((Level::High.int(), Level::from_int(2), Level::from_int(3)), (200, Some(Level::Mid), None));
    assert_eq!(Value::from(Sign::Minus), Value::I64(-1));
}

test_on! { every_backend;

/// rule 73
async fn newtypes_and_integer_enums_come_back_as_they_went(backend) {
    let objects = Manager::new(backend.db.clone());
    create_tables(&objects, &[Owner::TABLE, Pet::TABLE]).await.unwrap();
    let price = Price(Decimal::new(1250, 2));
    let ada = objects
        .create([Owner::NAME.set(name("ada")), Owner::PRICE.set(price), Owner::SIGN.set(Sign::Minus)])
        .await
        .unwrap();
    let expected = Owner { id: OwnerId(1), name: name("ada"), nick: None, price, level: Level::Mid, sign: Some(Sign::Minus) };
    assert_eq!(ada, expected);
    let bob = Owner { id: OwnerId(0), name: name("bob"), nick: Some(name("b")), level: Level::High, sign: None, price };
    let [bob_id] = objects.bulk_create(&[bob]).await.unwrap()[..] else { panic!("one key") };
    assert_eq!(objects.get(Owner::by_key(bob_id)).await.unwrap().level, Level::High);

    let found = Owner::select().filter(Owner::LEVEL.eq(Level::High) & Owner::NICK.eq(name("b")));
    assert_eq!(found.columns(Owner::ID).all(&objects).await.unwrap(), [bob_id]);
    let both = Owner::select().filter(Owner::ID.in_([ada.id, bob_id])).order_by(Owner::LEVEL.desc());
    assert_eq!(both.columns(Owner::NAME).all(&objects).await.unwrap(), [name("bob"), name("ada")]);

    let rex = objects.create([Pet::OWNER.set(ada.id), Pet::MINDER.set(&bob_id.into_row(&objects).await)]).await.unwrap();
    let of_ada = Pet::select().filter(Pet::OWNER.eq(ada.id) & Pet::MINDER.eq(bob_id));
    assert_eq!(of_ada.one(&objects).await.unwrap(), rex);
    let joined = Pet::select().join(Pet::OWNER).filter(Owner::ID.eq(Pet::OWNER)).columns(Owner::NAME);
    assert_eq!(joined.all(&objects).await.unwrap(), [name("ada")]);
    assert_eq!(ada.pets().one(&objects).await.unwrap(), rex);
    let sql = "select pet.owner_id, owner.level from pet, owner where owner.id = pet.owner_id and owner_id = $1 and level = $2";
    let row = objects.query_one(sql, params![rex.owner, Level::Mid]).await.unwrap();
    assert_eq!(row.get::<OwnerId>("owner_id").unwrap(), ada.id);
    assert_eq!(row.get::<Level>(1).unwrap(), Level::Mid);
}

/// rule 73
async fn an_integer_that_no_variant_has_is_named_with_those_that_there_are(backend) {
    let row = backend.db.query_one("select 3 as level, 'x' as other", ()).await.unwrap();
    let error = row.get::<Level>("level").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.to_string().ends_with("the integer is none of its variants, which are 1, 2, 200"), "{error}");
    assert_eq!(row.get::<Level>("other").unwrap_err().kind(), ErrorKind::Decode);
}

}

impl OwnerId {
    async fn into_row(self, objects: &Manager) -> Owner {
        objects.get(Owner::by_key(self)).await.unwrap()
    }
}
