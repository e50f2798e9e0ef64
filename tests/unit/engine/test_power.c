/* The power goes, at every instant of a transaction.
 *
 * A shim under sqlite notes each write, truncation, sync and removal while the engine applies. A cut after
 * any of them is then played back: what was synced is on the disk; of what was written to a file since its
 * last sync there is nothing, all, or all but the end of the last write, cut at every byte of it (sampled for
 * long ones). A removal counts once it is asked to be synced; before that the file is there or not. The world
 * (the fake provider's) is as it was at that instant. Then the engine is opened on what is left.
 *
 * Not simulated: writes that reach the disk out of order within one file between two syncs, and disks that
 * lie about having synced. */
#include "engine/engine.h"

#include "base/error.h"
#include "base/files.h"

#include <glib/gstdio.h>
#include <sqlite3.h>
#include <string.h>

/* --- what sqlite does to its files
 * ----------------------------------------------------------------------------- */

typedef enum { OP_WRITE, OP_TRUNCATE, OP_SYNC, OP_DELETE } OpKind;

typedef struct {
  OpKind kind;
  char *name; /* of the file, without its folder */
  sqlite3_int64 at;
  GBytes *bytes;        /* OP_WRITE */
  gboolean synced;      /* OP_DELETE */
  LwResourceSet *world; /* as it was then */
} Op;

typedef struct {
  sqlite3_file base;
  char *name; /* NULL: not noted */
} ShimFile;

static sqlite3_vfs *real_vfs;
static sqlite3_vfs shim_vfs;
static sqlite3_io_methods shim_methods;
static GPtrArray *ops; /* of Op*, in order */
static gboolean noting;
static LwResourceSet *world; /* of the fixture that runs */
static gboolean no_sync;     /* played back: the disk is not what is tested */

static void op_free(gpointer data) {
  Op *op = data;
  g_free(op->name);
  if (op->bytes)
    g_bytes_unref(op->bytes);
  lw_resource_set_free(op->world);
  g_free(op);
}

static Op *note(OpKind kind, const char *name) {
  if (!noting || !name)
    return NULL;
  Op *op = g_new0(Op, 1);
  op->kind = kind;
  op->name = g_strdup(name);
  op->world = lw_resource_set_copy(world);
  g_ptr_array_add(ops, op);
  return op;
}

static sqlite3_file *inner(sqlite3_file *file) {
  return (sqlite3_file *)((ShimFile *)file + 1);
}

static const char *name_of(sqlite3_file *file) {
  return ((ShimFile *)file)->name;
}

static int shim_close(sqlite3_file *file) {
  int rc = inner(file)->pMethods->xClose(inner(file));
  g_clear_pointer(&((ShimFile *)file)->name, g_free);
  return rc;
}

static int shim_read(sqlite3_file *file, void *data, int size, sqlite3_int64 at) {
  return inner(file)->pMethods->xRead(inner(file), data, size, at);
}

static int shim_write(sqlite3_file *file, const void *data, int size, sqlite3_int64 at) {
  Op *op = note(OP_WRITE, name_of(file));
  if (op) {
    op->at = at;
    op->bytes = g_bytes_new(data, (gsize)size);
  }
  return inner(file)->pMethods->xWrite(inner(file), data, size, at);
}

static int shim_truncate(sqlite3_file *file, sqlite3_int64 size) {
  Op *op = note(OP_TRUNCATE, name_of(file));
  if (op)
    op->at = size;
  return inner(file)->pMethods->xTruncate(inner(file), size);
}

static int shim_sync(sqlite3_file *file, int flags) {
  (void)note(OP_SYNC, name_of(file));
  return no_sync ? SQLITE_OK : inner(file)->pMethods->xSync(inner(file), flags);
}

static int shim_size(sqlite3_file *file, sqlite3_int64 *size) {
  return inner(file)->pMethods->xFileSize(inner(file), size);
}

static int shim_lock(sqlite3_file *file, int level) {
  return inner(file)->pMethods->xLock(inner(file), level);
}

static int shim_unlock(sqlite3_file *file, int level) {
  return inner(file)->pMethods->xUnlock(inner(file), level);
}

static int shim_check_lock(sqlite3_file *file, int *out) {
  return inner(file)->pMethods->xCheckReservedLock(inner(file), out);
}

static int shim_control(sqlite3_file *file, int op, void *arg) {
  return inner(file)->pMethods->xFileControl(inner(file), op, arg);
}

static int shim_sector(sqlite3_file *file) {
  return inner(file)->pMethods->xSectorSize(inner(file));
}

/* None: sqlite has to take every precaution that it knows. */
static int shim_characteristics(sqlite3_file *file) {
  (void)file;
  return 0;
}

static int shim_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out) {
  (void)vfs;
  ShimFile *shim = (ShimFile *)file;
  memset(shim, 0, sizeof *shim);
  int rc = real_vfs->xOpen(real_vfs, path, inner(file), flags, out);
  if (inner(file)->pMethods) {
    shim->base.pMethods = &shim_methods;
    shim->name = path ? g_path_get_basename(path) : NULL;
  }
  return rc;
}

static int shim_delete(sqlite3_vfs *vfs, const char *path, int sync_dir) {
  (void)vfs;
  g_autofree char *name = g_path_get_basename(path);
  Op *op = note(OP_DELETE, name);
  if (op)
    op->synced = sync_dir != 0;
  return real_vfs->xDelete(real_vfs, path, no_sync ? 0 : sync_dir);
}

static void shim_install(void) {
  real_vfs = sqlite3_vfs_find(NULL);
  shim_vfs = *real_vfs;
  shim_vfs.zName = "shim";
  shim_vfs.szOsFile = (int)sizeof(ShimFile) + real_vfs->szOsFile;
  shim_vfs.xOpen = shim_open;
  shim_vfs.xDelete = shim_delete;
  shim_methods = (sqlite3_io_methods){.iVersion = 1,
                                      .xClose = shim_close,
                                      .xRead = shim_read,
                                      .xWrite = shim_write,
                                      .xTruncate = shim_truncate,
                                      .xSync = shim_sync,
                                      .xFileSize = shim_size,
                                      .xLock = shim_lock,
                                      .xUnlock = shim_unlock,
                                      .xCheckReservedLock = shim_check_lock,
                                      .xFileControl = shim_control,
                                      .xSectorSize = shim_sector,
                                      .xDeviceCharacteristics = shim_characteristics};
  g_assert_cmpint(sqlite3_vfs_register(&shim_vfs, 1), ==, SQLITE_OK);
}

/* --- the lab
 * --------------------------------------------------------------------------------------------------- */

static const LwResourceKind kinds[] = {LW_RES_NETNS, LW_RES_LINK, LW_RES_ADDRESS, LW_RES_LAST};

typedef struct {
  char *dir;
  LwProviderContext context;
  GPtrArray *providers;
} Place;

static void place_make(Place *place) {
  place->dir = g_dir_make_tmp("lanward-power-XXXXXX", NULL);
  place->context = (LwProviderContext){.run_dir = place->dir, .owner = "lanward"};
  place->providers = g_ptr_array_new_with_free_func((GDestroyNotify)lw_provider_free);
  g_ptr_array_add(place->providers, lw_fake_provider_new(&place->context, kinds, world));
}

static void place_remove(Place *place) {
  g_ptr_array_unref(place->providers);
  g_assert_true(lw_tree_remove(place->dir, NULL));
  g_free(place->dir);
}

static LwEngine *place_open(const Place *place, GError **error) {
  g_autofree char *state = g_build_filename(place->dir, "state.db", NULL);
  g_autofree char *lock = g_build_filename(place->dir, "lock", NULL);
  LwEngineOptions options = {.state_path = state, .lock_path = lock, .lock_wait_ms = 20};
  return lw_engine_open(&options, place->providers, error);
}

static void want_bridge(LwResourceSet *set, const char *name, guint8 host) {
  LwResource *bridge = lw_resource_new(LW_RES_LINK, "", name);
  bridge->link_type = LW_LINK_BRIDGE;
  bridge->up = TRUE;
  lw_resource_set_add(set, bridge);
  LwResource *address = lw_resource_new(LW_RES_ADDRESS, "", NULL);
  address->link = g_strdup(name);
  address->prefix = lw_prefix_make(lw_addr_from_v4(0x0a000000u + host), 24);
  lw_resource_set_add(set, address);
}

static LwResourceSet *lab_a(void) {
  LwResourceSet *set = lw_resource_set_new();
  want_bridge(set, "br1", 1);
  want_bridge(set, "br2", 2);
  return set;
}

static LwResourceSet *lab_b(void) {
  LwResourceSet *set = lw_resource_set_new();
  want_bridge(set, "br2", 3);
  want_bridge(set, "br3", 4);
  lw_resource_set_add(set, lw_resource_new(LW_RES_NETNS, NULL, "router"));
  return set;
}

static gboolean same(const LwResourceSet *a, const LwResourceSet *b) {
  gboolean equal = a->list->len == b->list->len;
  for (guint i = 0; equal && i < a->list->len; i++) {
    g_autofree char *key = lw_resource_key(a->list->pdata[i]);
    const LwResource *other = lw_resource_set_find(b, key);
    equal = other && lw_resource_equal(a->list->pdata[i], other);
  }
  return equal;
}

static void apply(LwEngine *engine, const LwResourceSet *wanted) {
  g_autoptr(GError) error = NULL;
  g_autoptr(LwPlan) plan = lw_engine_plan(engine, wanted, &error);
  g_autoptr(LwFacts) facts = lw_facts_new();
  g_assert_no_error(error);
  lw_engine_describe(engine, "a test");
  g_assert_true(lw_engine_apply(engine, plan, wanted, facts, NULL, NULL, &error));
  g_assert_no_error(error);
}

/* --- what is on the disk after a cut
 * --------------------------------------------------------------------------- */

static GByteArray *file_of(GHashTable *disk, const char *name) {
  GByteArray *file = g_hash_table_lookup(disk, name);
  if (!file) {
    file = g_byte_array_new();
    g_hash_table_insert(disk, g_strdup(name), file);
  }
  return file;
}

static void play(GHashTable *disk, const Op *op, gsize limit) {
  if (op->kind == OP_DELETE) {
    g_hash_table_remove(disk, op->name);
    return;
  }
  if (op->kind == OP_SYNC)
    return;
  GByteArray *file = file_of(disk, op->name);
  if (op->kind == OP_TRUNCATE) {
    g_byte_array_set_size(file, (guint)op->at);
    return;
  }
  gsize size = MIN(g_bytes_get_size(op->bytes), limit);
  guint before = file->len;
  if (file->len < (guint)op->at + size)
    g_byte_array_set_size(file, (guint)((guint)op->at + size));
  if (before < (guint)op->at)
    memset(file->data + before, 0, (guint)op->at - before);
  memcpy(file->data + op->at, g_bytes_get_data(op->bytes, NULL), size);
}

typedef enum { KEPT_SYNCED, KEPT_ALL, KEPT_TORN } Kept;

static gboolean is_synced_later(guint op, guint cut) {
  const Op *wanted = ops->pdata[op];
  for (guint i = op + 1; i < cut; i++) {
    const Op *later = ops->pdata[i];
    if (later->kind == OP_SYNC && g_str_equal(later->name, wanted->name))
      return TRUE;
  }
  return FALSE;
}

static GHashTable *disk_after(const GBytes *start, guint cut, Kept kept, gsize torn) {
  GHashTable *disk =
      g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_byte_array_unref);
  gsize size;
  gconstpointer data = g_bytes_get_data((GBytes *)start, &size);
  g_byte_array_append(file_of(disk, "state.db"), data, (guint)size);
  for (guint i = 0; i < cut; i++) {
    const Op *op = ops->pdata[i];
    gboolean durable = op->kind == OP_DELETE ? op->synced : is_synced_later(i, cut);
    if (durable || kept != KEPT_SYNCED)
      play(disk, op, kept == KEPT_TORN && i + 1 == cut ? torn : G_MAXSIZE);
  }
  return disk;
}

static void write_disk(GHashTable *disk, const char *dir) {
  GHashTableIter iter;
  gpointer name, bytes;
  g_hash_table_iter_init(&iter, disk);
  while (g_hash_table_iter_next(&iter, &name, &bytes)) {
    const GByteArray *file = bytes;
    g_autofree char *path = g_build_filename(dir, name, NULL);
    FILE *out = fopen(path, "wb");
    g_assert_nonnull(out);
    g_assert_cmpuint(fwrite(file->data, 1, file->len, out), ==, file->len);
    g_assert_cmpint(fclose(out), ==, 0);
  }
}

typedef struct {
  GBytes *start;
  LwResourceSet *a, *b;
  guint cuts, old, new;
} Trial;

/* The world has to be the old one or the new one, and the state has to know which. */
static void try_world(Trial *trial, const LwResourceSet *then, guint cut, Kept kept, gsize torn) {
  LwResourceSet *kept_world = world;
  world = lw_resource_set_copy(then);
  Place place;
  place_make(&place);
  g_autoptr(GHashTable) disk = disk_after(trial->start, cut, kept, torn);
  write_disk(disk, place.dir);
  g_autoptr(GError) error = NULL;
  {
    g_autoptr(LwEngine) engine = place_open(&place, &error);
    g_assert_no_error(error);
    gboolean old = same(world, trial->a), new = same(world, trial->b);
    if (old == new)
      g_error("cut after %u of %u writes (%d, byte %" G_GSIZE_FORMAT
              "): neither the old state nor the new one",
              cut, ops->len, (int)kept, torn);
    g_autoptr(LwPlan) rest = lw_engine_plan(engine, old ? trial->a : trial->b, &error);
    g_assert_no_error(error);
    g_assert_true(lw_plan_is_empty(rest));
    trial->old += old;
    trial->new += new;
    apply(engine, trial->b);
    g_assert_true(same(world, trial->b)); /* and it goes on from there */
  }
  trial->cuts++;
  place_remove(&place);
  lw_resource_set_free(world);
  world = kept_world;
}

/* Between two writes the world goes on: a cut finds it as it was after the one or before the other. */
static void try_cut(Trial *trial, guint cut, Kept kept, gsize torn) {
  const LwResourceSet *earlier = cut ? ((const Op *)ops->pdata[cut - 1])->world : trial->a;
  const LwResourceSet *later = cut < ops->len ? ((const Op *)ops->pdata[cut])->world : trial->b;
  try_world(trial, earlier, cut, kept, torn);
  if (!same(earlier, later))
    try_world(trial, later, cut, kept, torn);
}

static void try_torn(Trial *trial, guint cut) {
  const Op *last = ops->pdata[cut - 1];
  gsize size = last->kind == OP_WRITE ? g_bytes_get_size(last->bytes) : 0;
  /* every byte of what is short (the journal's header and record numbers, checksums), some of whole pages */
  gsize step = size <= 64 ? 1 : size / 24;
  for (gsize torn = 1; torn < size; torn += step)
    try_cut(trial, cut, KEPT_TORN, torn);
}

static GBytes *read_state(const Place *place) {
  g_autofree char *path = g_build_filename(place->dir, "state.db", NULL);
  char *data;
  gsize size;
  g_assert_true(g_file_get_contents(path, &data, &size, NULL));
  return g_bytes_new_take(data, size);
}

static void test_power_cut(void) {
  world = lw_resource_set_new();
  g_autoptr(LwResourceSet) a = lab_a();
  g_autoptr(LwResourceSet) b = lab_b();
  Trial trial = {.a = a, .b = b};
  g_autoptr(GError) error = NULL;
  Place place;
  place_make(&place);
  {
    g_autoptr(LwEngine) engine = place_open(&place, &error);
    g_assert_no_error(error);
    apply(engine, a);
    trial.start = read_state(&place);
    ops = g_ptr_array_new_with_free_func(op_free);
    noting = TRUE;
    apply(engine, b);
    noting = FALSE;
  }
  no_sync = TRUE;
  for (guint cut = 0; cut <= ops->len; cut++) {
    try_cut(&trial, cut, KEPT_SYNCED, 0);
    try_cut(&trial, cut, KEPT_ALL, 0);
    if (cut > 0)
      try_torn(&trial, cut);
  }
  no_sync = FALSE;
  g_test_message("%u writes, %u cuts: %u the old state, %u the new one", ops->len, trial.cuts, trial.old,
                 trial.new);
  g_assert_cmpuint(trial.old, >, 0);
  g_assert_cmpuint(trial.new, >, 0);
  g_ptr_array_unref(ops);
  g_bytes_unref(trial.start);
  place_remove(&place);
  g_clear_pointer(&world, lw_resource_set_free);
}

int main(int argc, char **argv) {
  g_test_init(&argc, &argv, NULL);
  shim_install();
  g_test_add_func("/engine/power-cut", test_power_cut);
  return g_test_run();
}
