using System.Runtime.InteropServices;
using RbdReplication.Ceph;
using RbdReplication.Ceph.Interop;

namespace RbdReplication.CephTests.Sandbox;

/// <summary>What only tests do with images. Failures are <see cref="CephException"/>s, as those of the product's own calls.</summary>
internal static partial class ImageCalls
{
    private const string Library = "librbd.so.1";
    private const int ObjectsOf4MiB = 22;

    extension(RbdImage image)
    {
        public static Task CreateAsync(RadosPool pool, string name, ulong sizeBytes, ImageFeatures features, CancellationToken cancellationToken) =>
            NativeCall.BlockingAsync("rbd_create2", pool.SpecOf(name), pool.Handle, pool.Cluster.Threads.Changes, () =>
            {
                var order = ObjectsOf4MiB;
                return Create2(pool.Handle, name, sizeBytes, (ulong)features, ref order);
            }, cancellationToken);

        public Task WriteAsync(ulong offset, ReadOnlyMemory<byte> data, CancellationToken cancellationToken) =>
            image.ChangeAsync("rbd_write", () => Write(image.Handle, offset, (nuint)data.Length, data.Span), cancellationToken);

        public Task ReadAsync(ulong offset, Memory<byte> data, CancellationToken cancellationToken) =>
            image.LookUpAsync("rbd_read", () => Read(image.Handle, offset, (nuint)data.Length, data.Span), cancellationToken);

        /// <summary>Lets all reads of this open image be those of a snapshot.</summary>
        public Task SetSnapshotAsync(ulong id, CancellationToken cancellationToken) =>
            image.LookUpAsync("rbd_snap_set_by_id", () => SnapSetById(image.Handle, id), cancellationToken);

        public async Task<string?> GetMetadataAsync(string key, CancellationToken cancellationToken) =>
            (await image.ListMetadataAsync(key, cancellationToken)).GetValueOrDefault(key);
    }

    /// <summary>Version of the librbd that this process has loaded, for example <c>1.16.0</c>.</summary>
    public static string LibraryVersion
    {
        get
        {
            Version(out var major, out var minor, out var extra);
            return $"{major}.{minor}.{extra}";
        }
    }

    [LibraryImport(Library, EntryPoint = "rbd_version")]
    private static partial void Version(out int major, out int minor, out int extra);

    [LibraryImport(Library, EntryPoint = "rbd_create2", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Create2(PoolHandle pool, string name, ulong size, ulong features, ref int order);

    [LibraryImport(Library, EntryPoint = "rbd_snap_set_by_id")]
    private static partial int SnapSetById(ImageHandle image, ulong snapshotId);

    [LibraryImport(Library, EntryPoint = "rbd_write")]
    private static partial nint Write(ImageHandle image, ulong offset, nuint length, ReadOnlySpan<byte> data);

    [LibraryImport(Library, EntryPoint = "rbd_read")]
    private static partial nint Read(ImageHandle image, ulong offset, nuint length, Span<byte> data);
}
