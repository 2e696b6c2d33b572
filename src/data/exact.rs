//! Conversions between numbers that lose nothing, or are refused; and those that round a fraction, as PostgreSQL's own
//! casts do when a value is assigned.
//!
//! Used where parameters are encoded and where cells are read. Pure functions.
#![cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "some serve a driver that is not built"))]

use std::str::FromStr;

use crate::data::crates::Decimal;

/// All integers of magnitude up to this are exact in an `f64`.
const F64_EXACT: u64 = 1 << 53;
/// All integers of magnitude up to this are exact in an `f32`.
const F32_EXACT: u64 = 1 << 24;

/// The integer as `f64`, if it is exact.
#[inline]
pub(crate) fn int_to_f64(int: i128) -> Option<f64> {
    // Beyond the limit, powers of two and the like are exact as well; the way back tells.
    let float = int as f64;
    (int.unsigned_abs() <= u128::from(F64_EXACT) || float as i128 == int).then_some(float)
}

/// The integer as `f32`, if it is exact.
#[inline]
pub(crate) fn int_to_f32(int: i128) -> Option<f32> {
    let float = int as f32;
    (int.unsigned_abs() <= u128::from(F32_EXACT) || float as i128 == int).then_some(float)
}

/// The `f64` that is nearest to a decimal.
pub(crate) fn decimal_to_nearest_f64(decimal: Decimal) -> Option<f64> {
    // By its text, which is rounded once: the conversion of rust_decimal rounds at each step.
    decimal.to_string().parse().ok()
}

/// The `f64` as `f32`, if it is exact. NaN stays NaN, infinity stays infinity.
#[inline]
pub(crate) fn f64_to_f32(float: f64) -> Option<f32> {
    let narrow = float as f32;
    (f64::from(narrow) == float || float.is_nan()).then_some(narrow)
}

/// The `f32` that is nearest to an `f64`, if there is one: too large a number does not become infinite, nor too small a one
/// zero. NaN stays NaN, infinity stays infinity.
#[inline]
pub(crate) fn f64_to_nearest_f32(float: f64) -> Option<f32> {
    let narrow = float as f32;
    let overflows = narrow.is_infinite() && float.is_finite();
    let underflows = narrow == 0.0 && float != 0.0;
    (!overflows && !underflows).then_some(narrow)
}

/// The `f64` as an integer, if it is integral.
pub(crate) fn f64_to_int(float: f64) -> Option<i128> {
    // The cast saturates: beyond i128 the way back would claim to be exact for the limit itself.
    (float.fract() == 0.0 && float.abs() < 1e38).then_some(float as i128)
}

/// The decimal as an integer, if it is integral.
pub(crate) fn decimal_to_int(decimal: Decimal) -> Option<i128> {
    let whole = decimal.trunc();
    (whole == decimal).then(|| whole.mantissa())
}

/// The float of either size that is nearest to a decimal. Decimals are neither too large nor too small for an `f32`.
pub(crate) fn decimal_to_nearest<F: FromStr>(decimal: Decimal) -> Option<F> {
    decimal.to_string().parse().ok()
}

/// The decimal that has the shortest digits that stand for this `f64`.
pub(crate) fn f64_to_decimal(float: f64) -> Option<Decimal> {
    Decimal::from_str_exact(&float.to_string()).ok()
}

/// The decimal that has the shortest digits that stand for this `f32`.
pub(crate) fn f32_to_decimal(float: f32) -> Option<Decimal> {
    Decimal::from_str_exact(&float.to_string()).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        Decimal::from_str_exact(text).unwrap()
    }

    #[test]
    fn integers_become_floats_only_when_exact() {
        assert_eq!(int_to_f64(1 << 53), Some(9_007_199_254_740_992.0));
        assert_eq!(int_to_f64((1 << 53) + 1), None);
        assert_eq!(int_to_f64(1 << 60), Some((1_u64 << 60) as f64));
        assert_eq!(int_to_f64(i128::from(u64::MAX)), None);
        assert_eq!(int_to_f32(16_777_217), None);
        assert_eq!(int_to_f32(-16_777_216), Some(-16_777_216.0));
    }

    #[test]
    fn floats_narrow_only_when_exact() {
        assert_eq!(f64_to_f32(0.5), Some(0.5));
        assert_eq!(f64_to_f32(0.1), None);
        assert_eq!(f64_to_f32(1e300), None);
        assert_eq!(f64_to_f32(f64::INFINITY), Some(f32::INFINITY));
        assert!(f64_to_f32(f64::NAN).is_some_and(f32::is_nan));
        assert_eq!(f64_to_int(3.0), Some(3));
        assert_eq!(f64_to_int(3.5), None);
        assert_eq!(f64_to_int(f64::NAN), None);
        assert_eq!(f64_to_int(f64::INFINITY), None);
    }

    #[test]
    fn decimals_convert_only_when_exact() {
        assert_eq!(decimal_to_int(decimal("3.00")), Some(3));
        assert_eq!(decimal_to_int(decimal("-3.01")), None);
        assert_eq!(f64_to_decimal(0.1), Some(decimal("0.1")));
        assert_eq!(f32_to_decimal(0.1), Some(decimal("0.1")));
        assert_eq!(f64_to_decimal(1e300), None);
        assert_eq!(f64_to_decimal(1e-300), None);
        assert_eq!(f64_to_decimal(f64::NAN), None);
    }

    #[test]
    fn fractions_round_and_magnitudes_stay() {
        assert_eq!(f64_to_nearest_f32(0.1), Some(0.1_f32));
        assert_eq!(f64_to_nearest_f32(-1e-45), Some(-1e-45_f32));
        assert_eq!(f64_to_nearest_f32(f64::from(f32::MAX)), Some(f32::MAX));
        assert_eq!([1e39, -1e39, 1e-50, -1e-50].map(f64_to_nearest_f32), [None; 4]);
        assert_eq!(f64_to_nearest_f32(-0.0).map(f32::to_bits), Some((-0.0_f32).to_bits()));
        assert_eq!(f64_to_nearest_f32(f64::NEG_INFINITY), Some(f32::NEG_INFINITY));
        assert!(f64_to_nearest_f32(f64::NAN).is_some_and(f32::is_nan));
        assert_eq!(decimal_to_nearest(decimal("0.1")), Some(0.1_f64));
        assert_eq!(decimal_to_nearest(decimal("0.1000000000000000055511151")), Some(0.1_f64));
        // By way of an f64 it would be rounded twice, to 1.
        assert_eq!(decimal_to_nearest(decimal("1.0000000596046448")), Some(1.000_000_1_f32));
        assert_eq!(decimal_to_nearest::<f32>(Decimal::MAX).map(f32::is_finite), Some(true));
        assert!(decimal_to_nearest::<f32>(decimal("0.0000000000000000000000000001")).is_some_and(|float| float > 0.0));
    }

    proptest! {
        #[test]
        fn an_integer_that_became_a_float_comes_back(int: i64) {
            if let Some(float) = int_to_f64(int.into()) {
                prop_assert_eq!(f64_to_int(float), Some(int.into()));
            }
        }
    }
}
