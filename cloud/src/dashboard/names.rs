//! What people call the sets and images of a catalog.

use std::collections::HashMap;

use craton_api::operator::{Image, ImageId, ImageSet, ImageSetId};

use super::view::{Component, SetName, short};

/// The sets and images of a catalog, by id.
pub(super) struct Names {
    sets: HashMap<ImageSetId, ImageSet>,
    images: HashMap<ImageId, Image>,
    only_image_of: HashMap<ImageId, String>,
}

impl Names {
    pub(super) fn new(sets: Vec<ImageSet>, images: Vec<Image>) -> Self {
        let alone = sets.iter().filter_map(|set| match set.images.as_slice() {
            [image] => Some((*image, set.name.clone())),
            _ => None,
        });
        Self {
            only_image_of: alone.collect(),
            sets: sets.into_iter().map(|set| (set.id, set)).collect(),
            images: images.into_iter().map(|image| (image.id, image)).collect(),
        }
    }

    pub(super) fn set(&self, id: ImageSetId) -> SetName {
        SetName { id, name: self.sets.get(&id).map(|set| set.name.clone()) }
    }

    /// The name of the set that has only this image, else component and version.
    pub(super) fn image(&self, id: ImageId) -> String {
        if let Some(name) = self.only_image_of.get(&id) {
            return name.clone();
        }
        // A failure of the set as a whole names no image of it.
        if id == ImageId([0; 32]) {
            return "the whole set".to_owned();
        }
        match self.images.get(&id) {
            Some(image) => format!("{} {}", short(&image.component), image.version),
            None => short(&id),
        }
    }

    pub(super) fn images_of(&self, set: ImageSetId) -> &[ImageId] {
        self.sets.get(&set).map_or(&[], |set| &set.images)
    }

    /// The components of an attested set. A set is attested only if the verifier found its digest
    /// among the reference values, and so each image that it names.
    pub(super) fn components(&self, attested: Option<ImageSetId>) -> Vec<Component> {
        let images = attested.map_or(&[][..], |set| self.images_of(set));
        let component = |id: &ImageId| Component {
            name: self.image(*id),
            version: self.images.get(id).map(|image| image.version.clone()),
            image: Some(*id),
        };
        images.iter().map(component).collect()
    }
}
