import type { PreprocessingOptions } from '../preprocessing.js';

/**
 * What torchvision's pretrained weights expect of images as bytes: for `preprocessing` of the model that they are loaded into
 * ({@link Model.loadStateDict}). `imagenet`: of AlexNet, VGG and ResNet, the mean and standard deviation of ImageNet's channels. `inceptionV3`: −1 to
 * 1, which torchvision makes of the former (`transform_input`).
 */
export const torchvisionPreprocessing = Object.freeze({
  imagenet: Object.freeze({ scale: 1 / 255, mean: [0.485, 0.456, 0.406], standardDeviation: [0.229, 0.224, 0.225] }),
  inceptionV3: Object.freeze({ scale: 1 / 255, mean: 0.5, standardDeviation: 0.5 }),
}) satisfies Record<string, PreprocessingOptions>;
