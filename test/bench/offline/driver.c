/*
 * A Vulkan driver for AMD GPUs that are not there. It hands on to Mesa's RADV, which compiles for the family that
 * RADV_FORCE_FAMILY names. Whatever would reach a GPU (recording, submitting, waiting) succeeds here and does nothing.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <vulkan/vulkan.h>

#define EXPORTED __attribute__((visibility("default")))
typedef PFN_vkVoidFunction (*Lookup)(void *owner, const char *name);

static struct {
  VkResult (*negotiate)(uint32_t *version);
  Lookup instance, physical, device;
} mesa;

/* RADV_LIBRARY is another path of libvulkan_radeon.so. */
static void open_mesa(void) {
  const char *path = getenv("RADV_LIBRARY");
  void *library = mesa.instance ? NULL : dlopen(path ? path : "libvulkan_radeon.so", RTLD_NOW | RTLD_LOCAL);
  if (mesa.instance) return;
  if (!library) {
    fprintf(stderr, "%s\n", dlerror());
    exit(3);
  }
  mesa.negotiate = (VkResult(*)(uint32_t *))dlsym(library, "vk_icdNegotiateLoaderICDInterfaceVersion");
  mesa.physical = (Lookup)dlsym(library, "vk_icdGetPhysicalDeviceProcAddr");
  mesa.instance = (Lookup)dlsym(library, "vk_icdGetInstanceProcAddr");
}

static VkResult succeed(void) { return VK_SUCCESS; }

/* Everything that needs a GPU: all commands, and these. */
static int needs_gpu(const char *name) {
  static const char *const begins[] = {"vkCmd", "vkQueueSubmit", "vkQueueWaitIdle", "vkDeviceWaitIdle", "vkWait", "vkBeginCommand",
                                       "vkEndCommand", "vkResetCommand", "vkResetFences", "vkGetFenceStatus"};
  for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
    if (strncmp(name, begins[i], strlen(begins[i])) == 0) return 1;
  return 0;
}

static PFN_vkVoidFunction harmless(const char *name, PFN_vkVoidFunction found) {
  return found && needs_gpu(name) ? (PFN_vkVoidFunction)succeed : found;
}

static PFN_vkVoidFunction of_device(void *device, const char *name) { return harmless(name, mesa.device(device, name)); }

EXPORTED VkResult vk_icdNegotiateLoaderICDInterfaceVersion(uint32_t *version) {
  open_mesa();
  return mesa.negotiate(version);
}

EXPORTED PFN_vkVoidFunction vk_icdGetPhysicalDeviceProcAddr(void *instance, const char *name) {
  open_mesa();
  return mesa.physical(instance, name);
}

EXPORTED PFN_vkVoidFunction vk_icdGetInstanceProcAddr(void *instance, const char *name) {
  open_mesa();
  PFN_vkVoidFunction found = mesa.instance(instance, name);
  if (!found || strcmp(name, "vkGetDeviceProcAddr") != 0) return harmless(name, found);
  mesa.device = (Lookup)found;
  return (PFN_vkVoidFunction)of_device;
}
