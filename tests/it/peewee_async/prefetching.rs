//! Prefetch.

use nestling::{Model as _, model::PrefetchType};

use super::models::{self, TestModelAlpha, TestModelBeta, TestModelGamma};

test_on! {
    every_backend;

    // Three levels, by both of its types.
    async fn test_prefetch(backend) {
        let objects = models::create(&backend).await;
        let alpha_1 = objects.create([TestModelAlpha::TEXT.set("Alpha 1")]).await.unwrap();
        let alpha_2 = objects.create([TestModelAlpha::TEXT.set("Alpha 2")]).await.unwrap();
        let beta = |alpha: &TestModelAlpha, text: &str| [TestModelBeta::ALPHA.set(alpha), TestModelBeta::TEXT.set(text)];
        let beta_11 = objects.create(beta(&alpha_1, "Beta 11")).await.unwrap();
        let beta_12 = objects.create(beta(&alpha_1, "Beta 12")).await.unwrap();
        objects.create(beta(&alpha_2, "Beta 21")).await.unwrap();
        objects.create(beta(&alpha_2, "Beta 22")).await.unwrap();
        let gamma = |beta: &TestModelBeta, text: &str| [TestModelGamma::BETA.set(beta), TestModelGamma::TEXT.set(text)];
        let gamma_111 = objects.create(gamma(&beta_11, "Gamma 111")).await.unwrap();
        let gamma_112 = objects.create(gamma(&beta_11, "Gamma 112")).await.unwrap();

        for by in [PrefetchType::Where, PrefetchType::Join] {
            let gammas = TestModelGamma::BETA.children(TestModelGamma::select().order_by(TestModelGamma::ID.asc()));
            let betas = TestModelBeta::select().order_by(TestModelBeta::ID.asc());
            let alphas = TestModelAlpha::select().order_by(TestModelAlpha::ID.asc());
            let result = objects.prefetch(alphas, TestModelBeta::ALPHA.children(betas).with(gammas)).by(by);
            let result = result.await.unwrap();
            assert_eq!(result.iter().map(|alpha| &alpha.row).collect::<Vec<_>>(), [&alpha_1, &alpha_2]);
            let betas_of_1: Vec<_> = result[0].children.iter().map(|beta| &beta.row).collect();
            assert_eq!(betas_of_1, [&beta_11, &beta_12]);
            assert_eq!(result[0].children[0].children, [gamma_111.clone(), gamma_112.clone()]);
            assert_eq!(result[0].children[1].children, []);
            assert_eq!(result[1].children.len(), 2);
        }
    }
}
