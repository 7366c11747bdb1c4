using System.Text;
using CsCheck;

namespace RbdReplication.Tests.Hostile;

/// <summary>Broken forms of good documents.</summary>
public static class JsonGen
{
    // What stands for something else than itself, and what a good document has nowhere.
    private static readonly string[] Pieces =
    [
        "null", "true", "-1", "1e999", "0.5", "18446744073709551616", "\"\"", "\"\\ud800\"", "\"\\udc00x\"", "\"\\u0000\"", "[]", "{}", "[[", "{\"", "\\", "\"", "{", "}",
        "[", "]", ":", ",", "//", "/*", "\0", "\ufeff", "\ud800", "ü", "\u2028", "NaN", "{\"\\ud800\":1}", "\"\\ud800\":1,",
    ];

    private static readonly Gen<string> Piece = Gen.OneOf(Among(Pieces), Gen.Char.Select(c => c.ToString()), Gen.String[0, 20]);

    /// <summary>One of these values.</summary>
    public static Gen<T> Among<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    /// <summary>A document with up to four changes: something inserted, taken out, replaced, repeated or cut off.</summary>
    public static Gen<string> Changes(string document) =>
        Gen.Select(Gen.Int[0, 4], Gen.Double[0, 1], Gen.Int[0, 12], Piece).Array[1, 4].Select(changes =>
        {
            var text = document;
            foreach (var (kind, place, length, piece) in changes)
            {
                var start = (int)(place * text.Length);
                var end = Math.Min(text.Length, start + length);
                text = kind switch
                {
                    0 => text[..start] + piece + text[start..],
                    1 => text[..start] + text[end..],
                    2 => text[..start] + piece + text[end..],
                    3 => text[..end] + text[start..],
                    _ => text[..end],
                };
            }
            return text;
        });

    /// <summary>Good documents in which a value, wherever it is, is replaced by one of another type.</summary>
    public static Gen<string> OtherValues(string document)
    {
        var places = Enumerable.Range(0, document.Length).Where(i => document[i] == ':').ToArray();
        return Gen.Select(Among(places), Among(Pieces)).Select((place, piece) =>
        {
            var end = document.IndexOfAny([',', '}'], place);
            return document[..(place + 1)] + piece + document[end..];
        });
    }

    /// <summary>As UTF-8; what is no text becomes bytes that are none either.</summary>
    public static byte[] Bytes(string text)
    {
        using var bytes = new MemoryStream();
        foreach (var character in text)
        {
            if (char.IsSurrogate(character))
                bytes.WriteByte(0xff);
            else
                bytes.Write(Encoding.UTF8.GetBytes([character]));
        }
        return bytes.ToArray();
    }
}
