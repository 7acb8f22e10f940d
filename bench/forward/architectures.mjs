/** The networks by their names in `zoo`, with torchvision's: multiply-adds of one image with 1,000 classes, as torchvision's documentation has them. */
export const architectures = {
  alexnet: { torchvision: 'alexnet', size: 224, multiplyAdds: 0.714e9 },
  vgg16: { torchvision: 'vgg16', size: 224, multiplyAdds: 15.47e9 },
  inceptionV3: { torchvision: 'inception_v3', size: 299, multiplyAdds: 5.713e9 },
  resnet50: { torchvision: 'resnet50', size: 224, multiplyAdds: 4.089e9 },
  resnet101: { torchvision: 'resnet101', size: 224, multiplyAdds: 7.801e9 },
};
