using RbdReplication.Ceph;

namespace RbdReplication.CephTests.PersistentVolumes;

/// <summary>
/// Enters images into librbd's directory object without making them: thousands of images would take minutes, and the
/// generator reads no more of them than this.
/// </summary>
public static class ImageEntries
{
    public static async Task PutAsync(RadosPool pool, IEnumerable<MappedImage> images)
    {
        foreach (var chunk in images.Chunk(1000))
        {
            var entries = chunk.Select(image => KeyValuePair.Create("name_" + image.Reservation.ImageName, Encode(image.Reservation.Uuid[..12])));
            await pool.WriteAsync("rbd_directory", new ObjectWrite().SetOmap([.. entries]), CancellationToken.None);
        }
    }

    private static string Encode(string id) => $"{(char)id.Length}\0\0\0{id}";
}
